#!/usr/bin/env bash
# Builds kube-apiserver and etcd into the cache folder with the Node of `npm ci`; see build.ts.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
exec "$here/../../node_modules/.bin/node" "$here/build.ts"
