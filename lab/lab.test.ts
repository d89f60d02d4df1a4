import { describe, expect, it } from "vitest";
import { describeTable } from "./lab.ts";

describe("a table in words", () => {
  it("VIPs with equal next hops stand together, those without any are named", () => {
    expect(describeTable({ "10.40.0.1": "n1 n2", "10.40.0.20": "", "fd40::1": "n1 n2" })).toBe(
      "10.40.0.1, fd40::1 by n1 n2; 10.40.0.20 nowhere",
    );
  });
});
