#!/usr/bin/env bash
# Publishes the sidecar as one native program: publish-native.sh OUT_DIR [FRAMEWORK, default net9.0]
# net10.0 needs the compiler package runtime.RID.Microsoft.DotNet.ILCompiler 10.0 from the registry; where it is missing, net9.0 serves.
set -euo pipefail
out=$(realpath -m "${1:?usage: publish-native.sh OUT_DIR [FRAMEWORK]}")
cd "$(dirname "$0")/../.."
case $(uname -m) in
  x86_64) rid=linux-x64 ;;
  aarch64) rid=linux-arm64 ;;
  *) echo "no native sidecar for $(uname -m); publish on x86_64 or aarch64" >&2; exit 2 ;;
esac

missing=()
command -v clang > /dev/null || missing+=(clang)
[ -e /usr/include/zlib.h ] || missing+=(zlib1g-dev)
if [ "${#missing[@]}" -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

dotnet publish sidecar/Mesh.Sidecar -c Release -r "$rid" -p:MeshNative="${2:-net9.0}" -o "$out" -v q
ls -l "$out/Mesh.Sidecar"
