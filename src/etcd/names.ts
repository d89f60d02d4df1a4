/**
 * The names of an election in etcd, as kube-vip makes them: candidates' keys stand under `<namespace>-<name>/`, each
 * ends in the number of its lease in hexadecimal, and that number is the FNV-1a hash of the election and the candidate.
 */
interface LeaseName {
  readonly namespace: string;
  readonly name: string;
}

export const electionPrefix = ({ namespace, name }: LeaseName): string => `${namespace}-${name}/`;

/** The first key after all those that begin with `prefix`, which ends in `/`. */
export const prefixEnd = (prefix: string): string => `${prefix.slice(0, -1)}0`;

/** The hash as a signed number, which is what etcd's leases have; 0 would mean that etcd is to choose. */
export function leaseIdOf({ namespace, name }: LeaseName, identity: string): bigint {
  return BigInt.asIntN(64, fnv1a64(`${namespace}-${name}${identity}`)) || 1n;
}

function fnv1a64(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const octet of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(octet)) * 0x100000001b3n);
  }
  return hash;
}
