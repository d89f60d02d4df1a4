import { describe, expect, it } from "vitest";
import { Asn } from "../wire/asn.ts";
import { survivor } from "./collision.ts";
import { identifier } from "./test-support.ts";

const speaker = (id: string, asn: number) => ({ identifier: identifier(id), asn: Asn.of(asn) });

describe("survivor", () => {
  it("is the connection opened by the higher identifier, as an unsigned number (RFC 4271 §6.8)", () => {
    expect(survivor(speaker("10.0.0.2", 1), speaker("10.0.0.1", 2))).toBe("outgoing");
    expect(survivor(speaker("10.0.0.1", 2), speaker("10.0.0.2", 1))).toBe("incoming");
    expect(survivor(speaker("200.0.0.1", 1), speaker("9.0.0.1", 1))).toBe("outgoing");
    expect(survivor(speaker("10.0.0.10", 1), speaker("10.0.0.9", 1))).toBe("outgoing");
  });

  it("is decided by the AS number where the identifiers are equal (RFC 6286 §2.3)", () => {
    expect(survivor(speaker("10.0.0.1", 4_200_000_000), speaker("10.0.0.1", 1))).toBe("outgoing");
    expect(survivor(speaker("10.0.0.1", 1), speaker("10.0.0.1", 4_200_000_000))).toBe("incoming");
  });

  it("is the same connection for both sides", () => {
    const [a, b] = [speaker("10.0.0.1", 5), speaker("10.0.0.2", 4)];
    expect(survivor(a, b)).not.toBe(survivor(b, a));
  });
});
