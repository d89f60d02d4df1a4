import manifest from "../../package.json" with { type: "json" };

/** Version of the program, from package.json: the bundler writes it in. */
export const VERSION: string = manifest.version;
