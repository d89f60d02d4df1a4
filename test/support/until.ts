/** Waits until `holds` is true; fails with `what` after the deadline. */
export async function until(what: string, holds: () => boolean, withinMillis = 5000): Promise<void> {
  const deadline = performance.now() + withinMillis;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMillis} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
