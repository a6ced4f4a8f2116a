#!/usr/bin/env bash
# Stock kubectl of three ages against the embedded API: the verbs, and what a bad rule is answered.
. "$(dirname "$0")/lib.sh"
start control Mesh.ControlPlane serve --listen 127.0.0.1:0 --data "$work/data"
api=$(address control api) || exit 1
rule=bench/Mesh.Lab/rules/products-destinationrule.yaml

sed 's/maxConnections: 1 /maxConnections: 7 /; s/maxConnections: 1$/maxConnections: 7/' "$rule" > "$work/changed.yaml"
cat > "$work/wrong-type.yaml" << 'YAML'
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: wrong-type}
spec: {host: products, trafficPolicy: {connectionPool: {tcp: {maxConnections: many}}}}
YAML
cat > "$work/misspelt.yaml" << 'YAML'
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: misspelt}
spec: {host: products, trafficPolicy: {outlierDetection: {intervall: 1s}}}
YAML
cat > "$work/duration.yaml" << 'YAML'
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: duration}
spec: {host: products, trafficPolicy: {outlierDetection: {interval: ten}}}
YAML
cat > "$work/second.yaml" << 'YAML'
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: second}
spec: {host: products, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}}
YAML

for version in 1.20 1.32 1.35; do
  export HOME=$work/home-$version
  mkdir -p "$HOME"
  k() { timeout 30 "$tools/kubectl-$version" --server="http://$api" "$@"; }
  v="kubectl $version"
  check "$v apply" says 'destinationrule.networking.istio.io/products created' k apply -f "$rule"
  check "$v apply warns of consecutiveErrors" says 'consecutive5xxErrors' k apply --server-side --force-conflicts --field-manager=again --dry-run=server -f "$rule"
  check "$v apply, unchanged" says 'products unchanged' k apply -f "$rule"
  check "$v apply, changed" says 'products configured' k apply -f "$work/changed.yaml"
  check "$v get" says 'products +products +[0-9]+s' k get dr
  check "$v get -o yaml" says 'maxConnections: 7' k get destinationrule products -o yaml
  check "$v get -A" says 'default +products' k get dr -A
  check "$v describe" says 'Max Connections: +7' k describe dr products
  check "$v explain" says 'maxConnections|Max' k explain destinationrules.spec.trafficPolicy.connectionPool.tcp
  check "$v diff finds the difference" says 'maxConnections: 1' k diff -f "$rule"
  check "$v apply --dry-run=server" says 'configured \(server dry run\)' k apply --dry-run=server -f "$rule"
  check "$v the dry run changed nothing" says 'maxConnections: 7' k get dr products -o yaml
  printf '#!/bin/sh\nsed -i "s/maxConnections: 7/maxConnections: 9/" "$1"\n' > "$work/editor"
  chmod +x "$work/editor"
  export EDITOR=$work/editor
  check "$v edit" says 'products edited' k edit dr products
  check "$v edit arrived" says 'maxConnections: 9' k get dr products -o yaml
  check "$v apply --server-side, conflict or not" says 'serverside-applied' k apply --server-side --force-conflicts -f "$rule"
  k get dr -w > "$work/watch-$version" 2>&1 &
  watcher=$!
  check "$v get -w lists" until_true 10 grep -q products "$work/watch-$version"
  check "$v label" says 'products labeled' k label dr products "seen=v${version/./-}" --overwrite
  check "$v get -w sees the change" until_true 10 sh -c "[ \$(grep -c '^products' '$work/watch-$version') -ge 2 ]"
  kill "$watcher" 2> /dev/null
  wait "$watcher" 2> /dev/null

  check "$v wrong type" says 'spec.trafficPolicy.connectionPool.tcp.maxConnections' k apply --validate=false -f "$work/wrong-type.yaml"
  check "$v misspelt field" says 'intervall' k apply -f "$work/misspelt.yaml"
  check "$v misspelt field, the server's word" says 'did you mean .?.?interval' k create --validate=false -f "$work/misspelt.yaml"
  check "$v bad duration" says 'ten.* is not a duration; write' k apply -f "$work/duration.yaml"
  check "$v two rules for one host" says 'products.*second|second.*products' k apply -f "$work/second.yaml"
  check "$v delete" says '"products" deleted' k delete dr products
  check "$v delete the others" says 'deleted' k delete dr second misspelt --ignore-not-found
  check "$v nothing is left" says 'No resources found' k get dr
done
done_checking
