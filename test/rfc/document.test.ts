import { describe, expect, it } from "vitest";
import { judge, rfcDocument } from "./document.ts";
import { idsIn, type Proof, testProofs, withoutIds } from "./proofs.ts";
import { ROWS } from "./rows.ts";

const [FIRST, SECOND] = ["UNN-01", "UNN-02"] as const;
const proof = (id: string, state: Proof["state"], title = "holds"): Proof => ({ id, title, where: "a.test.ts", state });

describe("docs/rfc.md", () => {
  it("has every row of the checklist once", () => {
    expect(ROWS).toHaveLength(367);
    expect(new Set(ROWS.map(({ id }) => id)).size).toBe(367);
    for (const { id } of ROWS) expect(idsIn(`it does (${id})`), id).toEqual([id]);
  });

  it("takes the ids out of titles, and of their ends only", () => {
    const title = `a length is judged (at once) (${FIRST}, ${SECOND})`;
    expect(idsIn(title)).toEqual([FIRST, SECOND]);
    expect(withoutIds(title)).toBe("a length is judged (at once)");
    expect(withoutIds("BGP-mode daemons stay (as before)")).toBe("BGP-mode daemons stay (as before)");
  });

  it("reads what vitest reports", () => {
    const one = (status: string) => ({ fullName: `a route holds (${FIRST})`, status });
    const report = {
      testResults: [
        { name: import.meta.filename, status: "passed", assertionResults: [one("passed"), one("skipped")] },
      ],
    };
    expect(testProofs(report).map(({ state }) => state)).toEqual(["passed", "not-run"]);
    expect(testProofs(report)[0]).toMatchObject({
      id: FIRST,
      title: "a route holds",
      where: "test/rfc/document.test.ts",
    });
  });

  it("calls a must row open that no passed test names, and nothing gives a reason for", () => {
    const openWith = (proofs: readonly Proof[], leftOut = {}): readonly string[] =>
      judge(proofs, leftOut).open.map(({ id }) => id);
    expect(openWith([])).toContain(FIRST);
    expect(openWith([proof(FIRST, "failed")])).toContain(FIRST);
    expect(openWith([proof(FIRST, "passed")])).not.toContain(FIRST);
    expect(openWith([], { [FIRST]: "not needed" })).not.toContain(FIRST);
    expect(openWith([proof(FIRST, "not-run")])).not.toContain(FIRST);
    expect(judge([proof(FIRST, "not-run")], {}).notProvedHere.map(({ id }) => id)).toEqual([FIRST]);
  });

  it("refuses an id that no row has, and a reason for what a test proves", () => {
    expect(judge([proof("UNN-99", "passed")], {}).unknown).toEqual(["UNN-99"]);
    expect(judge([proof(FIRST, "passed")], { [FIRST]: "not needed" }).contradicted).toEqual([FIRST]);
  });

  it("shows the titles of a row's tests, and the reason where there are none", () => {
    const text = rfcDocument([proof(FIRST, "passed", "hears a | router")], { [SECOND]: "nobody asks" });
    expect(text).toContain(`| ${FIRST} | must | hears a \\| router (\`a.test.ts\`) |`);
    expect(text).toContain(`| ${SECOND} | must | left out: nobody asks |`);
    const many = ["a", "b", "c", "d", "e"].map((title) => proof(FIRST, "passed", title));
    expect(rfcDocument(many, {})).toContain("c (`a.test.ts`)<br>and 2 more |");
  });
});
