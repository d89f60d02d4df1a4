/**
 * Milliseconds of CLOCK_MONOTONIC. All processes of a lab run on one machine, so they share this clock and their
 * figures can be compared without any synchronisation.
 */
export const machineMillis = (): number => Number(process.hrtime.bigint()) / 1e6;
