import * as z from "zod";
import { type IpAddress, type Ipv4, isIpv4, type Ipv6, parseIp } from "../addr/ip.ts";

/** Building blocks of the schema: values whose message says what they must be, not what they are not. */

export const wholeNumber = (min: number, max: number): z.ZodInt => {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};

export const decimalNumber = (min: number, max: number): z.ZodNumber => {
  const error = `must be a number from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error });
};

export const bool = (): z.ZodBoolean => z.boolean({ error: "must be true or false" });
export const text = (): z.ZodString => z.string({ error: "must be text" });

/** IFNAMSIZ is 16 with the final zero; the kernel refuses "/", ":" and white space. */
export const interfaceName = (): z.ZodString => {
  const error = "must be the name of a network interface: 1 to 15 characters without blank, / or :";
  return z.string({ error }).regex(/^(?!\.{1,2}$)[^\s/:]{1,15}$/, { error });
};

export const absolutePath = (): z.ZodString => {
  const error = "must be an absolute path";
  return z.string({ error }).regex(/^\/[^\0]*$/, { error });
};

/** RFC 1123 subdomain, made lower case: kube-vip does that to the node's name. */
export const objectName = (): z.ZodString => {
  const error = "must be a Kubernetes name: lower-case letters, digits, - and ., at most 253 characters";
  return z.string({ error }).toLowerCase().max(253, { error }).regex(SUBDOMAIN, { error });
};

/** RFC 1123 label: namespaces. */
export const namespaceName = (): z.ZodString => {
  const error = "must be a namespace: lower-case letters, digits and -, at most 63 characters";
  return z.string({ error }).max(63, { error }).regex(LABEL, { error });
};

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** `name`, or `namespace/name`. */
export const leaseName = (): z.ZodString => {
  const error = "must be name or namespace/name of a Lease (lower-case letters, digits, - and .)";
  return z.string({ error }).refine((value) => {
    const parts = value.split("/");
    const name = parts.pop()!;
    if (parts.length > 1 || (parts.length === 1 && (parts[0]!.length > 63 || !LABEL.test(parts[0]!)))) return false;
    return name.length <= 253 && SUBDOMAIN.test(name);
  }, error);
};

const refuse = (context: z.RefinementCtx, message: string): never => {
  context.addIssue({ code: "custom", message });
  return z.NEVER;
};

/** An address that a host can have: not unspecified, loopback or multicast. */
export const hostAddress = () =>
  z
    .string({ error: "must be an IP address, in quotes where YAML needs them" })
    .transform((value, context): IpAddress => {
      const address = parseIp(value);
      if (address === null) return refuse(context, notAnAddress(value));
      if (address === "0.0.0.0" || address === "::")
        return refuse(context, `${address} asks for an address by DHCP, which is not yet in vipcast: give the address`);
      if (/^(127\.|22[4-9]\.|23\d\.|2[45]\d\.|0\.)/.test(address) || address === "::1" || address.startsWith("ff"))
        return refuse(context, `${address} is not an address that a host can have on a network`);
      return address;
    });

export const ipv4Address = () =>
  hostAddress().transform((address, context): Ipv4 =>
    isIpv4(address) ? address : refuse(context, "must be an IPv4 address"),
  );

export const ipv6Address = () =>
  hostAddress().transform((address, context): Ipv6 =>
    isIpv4(address) ? refuse(context, "must be an IPv6 address") : address,
  );

function notAnAddress(value: string): string {
  if (value.includes("/")) return `must be an IP address without a length; vip_subnet has the length (got "${value}")`;
  if (/[a-z]/i.test(value) && !value.includes(":") && SUBDOMAIN.test(value.toLowerCase()))
    return `"${value}" looks like a DNS name; names are not yet in vipcast: give the IP address`;
  return `must be an IP address (got "${value}")`;
}
