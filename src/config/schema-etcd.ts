import * as z from "zod";
import { absolutePath, text } from "./leaves.ts";
import { named } from "./option-names.ts";

const pemFile = (what: string) => absolutePath().optional().describe(what);

/** Where elections are held when not by Leases. */
export const Etcd = z.strictObject({
  endpoints: named(
    z
      .array(
        text().refine((value) => {
          if (!URL.canParse(value)) return false;
          const { protocol, pathname, search, hash } = new URL(value);
          return (protocol === "https:" || protocol === "http:") && pathname === "/" && search === "" && hash === "";
        }, "must be like https://10.0.0.1:2379"),
        { error: "must be a list of URLs" },
      )
      .max(16, "must have at most 16 endpoints")
      .default([])
      .describe("Client URLs of etcd's members, asked in turn until one answers."),
    { form: "list", flag: "etcdEndpoints", env: ["vipcast_etcd_endpoints"] },
  ),
  caFile: named(pemFile("CA certificates that etcd's own is believed by."), {
    form: "text",
    flag: "etcdCACert",
    env: ["vipcast_etcd_ca_file"],
  }),
  certFile: named(pemFile("Client certificate."), {
    form: "text",
    flag: "etcdCert",
    env: ["vipcast_etcd_cert_file"],
  }),
  keyFile: named(pemFile("Key of the client certificate."), {
    form: "text",
    flag: "etcdKey",
    env: ["vipcast_etcd_key_file"],
  }),
});
