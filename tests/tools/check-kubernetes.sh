#!/usr/bin/env bash
# serve --kubernetes against an API server: here the embedded one of another control plane, which has rules and no pods.
. "$(dirname "$0")/lib.sh"
start server Mesh.ControlPlane serve --listen 127.0.0.1:0 --data "$work/data"
api=$(address server api) || exit 1
cat > "$work/config" << YAML
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: embedded}}]
clusters: [{name: embedded, cluster: {server: "http://$api"}}]
YAML
k() { timeout 30 "$tools/kubectl-1.35" --server="http://$api" "$@"; }
rules() { curl -sf -m 5 "http://$mesh/"; }
rule=bench/Mesh.Lab/rules/products-destinationrule.yaml

check 'a missing kubeconfig is one line and exit code 2' says "^--kubeconfig: '/nowhere' cannot be read: .*2$" \
  bash -c "'$bin/Mesh.ControlPlane/release/Mesh.ControlPlane' serve --kubernetes --kubeconfig /nowhere 2>&1 | tr -d '\n'; echo \${PIPESTATUS[0]}"
start mesh Mesh.ControlPlane serve --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 --kubernetes --kubeconfig "$work/config"
mesh=$(address mesh api) || exit 1
metrics=$(address mesh metrics) || exit 1
check 'ready once everything is listed' until_true 20 curl -sf -m 5 "http://$metrics/readyz"
check 'it says whose rules it has' says "rules are those of the cluster at http://$api" cat "$work/mesh.log"
check 'what the server does not serve is said once' says '^1$' grep -c 'pods cannot be followed: the API server does not serve pods' "$work/mesh.err"
k apply -f "$rule" > /dev/null
check 'a rule applied with kubectl is there' until_true 10 eval 'rules | grep -q "DestinationRule/default/products  generation 1"'
sed 's/maxConnections: 1 /maxConnections: 7 /; s/maxConnections: 1$/maxConnections: 7/' "$rule" | k apply -f - > /dev/null
check 'and so is its change' until_true 10 eval 'rules | grep -q "products  generation 2"'
check 'rules are not served twice' says '^404$' curl -s -m 5 -o /dev/null -w '%{http_code}' "http://$mesh/apis"

stop server KILL
check 'without the server it stays ready' says ok curl -s -m 5 "http://$metrics/readyz"
check 'and keeps the rules' says 'products  generation 2' rules
check 'and says what is wrong' until_true 20 grep -q 'destinationrules.networking.istio.io cannot be followed' "$work/mesh.err"
start server Mesh.ControlPlane serve --listen "$api" --data "$work/data"
address server api > /dev/null || exit 1
k delete -f "$rule" > /dev/null
check 'it follows the server again when that is back' until_true 60 eval '! rules | grep -q products'
stop mesh
check 'it ends without a complaint' says '^0$' grep -c 'Unexpected' "$work/mesh.err"
done_checking
