import type { BgpSettings, SessionSettings } from "./settings.ts";

/** What the sessions of any node may be like: with the peers of all nodes. */
export const sessionsOf = ({ peers, dynamicNeighbours, annotated }: BgpSettings): readonly SessionSettings[] => [
  ...peers,
  ...dynamicNeighbours,
  ...(annotated === null ? [] : [annotated.session]),
];
