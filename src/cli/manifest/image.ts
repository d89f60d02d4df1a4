/** The reference of a container image cannot be used. */
export class ImageInvalid extends Error {
  override readonly name = "ImageInvalid";
}

const PART = "[a-z0-9]+(?:(?:[.]|_{1,2}|-+)[a-z0-9]+)*";
const REFERENCE = new RegExp(
  `^(?:[A-Za-z0-9.-]+(?::\\d{1,5})?/)?${PART}(?:/${PART})*(?<tag>:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?<digest>@sha256:[0-9a-f]{64})?$`,
);

/**
 * The image with the program's own version as its tag when it has neither a tag nor a digest.
 *
 * @throws ImageInvalid when `image` is not a reference
 */
export function imageWithTag(image: string, version: string): string {
  const match = REFERENCE.exec(image);
  if (match === null)
    throw new ImageInvalid(`--image: "${image}" is not the reference of an image (for example registry/vipcast:1.0)`);
  return match.groups?.["tag"] === undefined && match.groups?.["digest"] === undefined ? `${image}:${version}` : image;
}
