/**
 * Weighted rendezvous hashing (highest random weight): every node gives every key a score that depends on nothing but
 * the two names, and the highest one has the key. Whoever knows the same nodes comes to the same result, without a word
 * between them. When a node goes, only its own keys move, to many others; when one comes, it takes only its share.
 */
export interface Candidate {
  readonly node: string;
  /** Its share in proportion to the others'; 0 takes nothing while there is anyone else. */
  readonly weight: number;
}

/** The candidate for `key`; null without candidates. Equal scores go to the name that sorts first. */
export function highest<C extends Candidate>(key: string, candidates: Iterable<C>): C | null {
  let best: C | null = null;
  let bestScore = 0;
  for (const candidate of candidates) {
    const score = scoreOf(key, candidate);
    if (best === null || score > bestScore || (score === bestScore && candidate.node < best.node)) {
      best = candidate;
      bestScore = score;
    }
  }
  return best;
}

/** How many of `names` come before `own` for the key: 0 for the first. */
export function rankOf(key: string, own: string, names: Iterable<string>): number {
  const score = hash(`${own}\u0000${key}`);
  let rank = 0;
  for (const name of names) {
    const other = hash(`${name}\u0000${key}`);
    if (name !== own && (other > score || (other === score && name < own))) rank++;
  }
  return rank;
}

/** −w / ln(u) for u uniform in (0, 1): the shares of the nodes are then as their weights. */
function scoreOf(key: string, { node, weight }: Candidate): number {
  return weight <= 0 ? 0 : -weight / Math.log((hash(`${node}\u0000${key}`) + 0.5) / 2 ** 32);
}

/** FNV-1a, and MurmurHash3's finalizer so that names which differ in their last letter are as far apart as any. */
function hash(text: string): number {
  let value = 0x811c_9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x0100_0193);
  value = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2_ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
