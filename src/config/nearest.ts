/**
 * The candidate that `word` was probably meant to be: the smallest edit distance without regard to case, if that is at
 * most a third of the longer word. Null when nothing is near. Ties go to the earlier candidate.
 */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  let best: { readonly text: string; readonly distance: number } | null = null;
  const wanted = word.slice(0, LENGTH_MAX).toLowerCase();
  for (const text of candidates) {
    const limit = Math.floor(Math.max(wanted.length, text.length) / 3);
    const distance = editDistance(wanted, text.toLowerCase());
    if (distance <= limit && (best === null || distance < best.distance)) best = { text, distance };
  }
  return best?.text ?? null;
}

/** "did you mean x?", or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>, prefix = ""): string {
  const found = nearest(word, candidates);
  return found === null ? "" : `did you mean ${prefix}${found}?`;
}

/** A word comes from outside; the cost of comparing grows with its length. */
const LENGTH_MAX = 80;

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(changed, last[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1);
      row.push(cost);
    }
    [before, last] = [last, row];
  }
  return last[b.length]!;
}
