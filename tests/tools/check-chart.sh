#!/usr/bin/env bash
# The charts with the real helm: what they render, judged by Kubernetes' types, by kubectl, by our own API, and by what the control plane really asks for.
. "$(dirname "$0")/lib.sh"
helm() { "$tools/helm-$1" "${@:2}" 2> >(grep -v 'found symbolic link' >&2); } # MAJOR ARGUMENTS...
render() { helm 4 template "$1" "charts/$1" -n "$1-system" "${@:2}"; }        # CHART VALUES...
look() { node tests/tools/manifests.cjs "$@"; }
typed() { # FILE: every object has only fields that Kubernetes knows, of the right types
  local dir
  dir=$(mktemp -d -p "$work")
  ln -s "$tools/node_modules" "$dir/node_modules"
  look types "$1" "$dir" && node "$tools/node_modules/typescript/bin/tsc" -p "$dir"
}
empty() { local output; output=$("$@" 2>&1) && [ -z "$output" ] || { echo "$output"; return 1; }; }
same() { diff <(printf '%s\n' "$1") <(printf '%s\n' "$2"); }

version=$(sed -nE 's:.*<Version>(.*)</Version>.*:\1:p' Directory.Build.props)
for chart in mesh shop; do
  check "$chart has the version of the build" same "$version $version" "$(sed -nE 's/^(version|appVersion): //p' charts/$chart/Chart.yaml | paste -sd ' ')"
done
check 'the chart holds the CRDs of the repository, all of them' diff -r -x Mesh.Rules -x README.md crds charts/mesh/files/crds

cat > "$work/mesh-defaults.yaml" < /dev/null
cat > "$work/mesh-on.yaml" << 'YAML'
replicas: 3
leaseNamespace: kube-system
image: {repository: registry.example/mesh/control-plane, digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", pullPolicy: Always}
imagePullSecrets: [{name: registry}]
listenAddress: "[::]"
tls: {existingSecret: my-tls}
webhooks: {revision: blue, ignoredNamespaces: [a, b], injection: {settings: {nativeSidecar: "true", resources: {requests: {cpu: 10m}}}}}
resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: "2", memory: 2Gi}}
podDisruptionBudget: {maxUnavailable: "50%"}
networkPolicy: {metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}
serviceAccount: {annotations: {a: b}}
podAnnotations: {a: b}
podLabels: {a: b}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: a, operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
priorityClassName: system-cluster-critical
env: [{name: DOTNET_gcServer, value: "0"}]
serviceMonitor: {enabled: true, interval: 30s, labels: {release: prometheus}}
dashboard: {enabled: true}
YAML
cat > "$work/mesh-off.yaml" << 'YAML'
replicas: 1
crds: {enabled: false}
webhooks: {enabled: false}
podDisruptionBudget: {enabled: false}
networkPolicy: {enabled: false}
tls: {existingSecret: my-tls}
YAML
cat > "$work/shop-defaults.yaml" < /dev/null
echo '{namespace: {create: true}, imagePullSecrets: [{name: registry}], replicas: {orders: 2}, image: {tag: other}}' > "$work/shop-on.yaml"
echo '{rule: {enabled: false}}' > "$work/shop-off.yaml"

cat > "$work/objects.json" << 'JSON'
[{"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "a"}, "spec": {"host": "a"}},
 {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "a"}, "spec": {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}]}]}},
 {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "a"}, "spec": {"hosts": ["a.example"], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}], "resolution": "DNS"}},
 {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": {"name": "a"}, "spec": {"egress": [{"hosts": ["*/*"]}]}},
 {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry", "metadata": {"name": "a"}, "spec": {"address": "10.0.0.1"}},
 {"apiVersion": "resilience.mesh.dev/v1alpha1", "kind": "ResiliencePolicy", "metadata": {"name": "a"}, "spec": {"host": "a"}},
 {"apiVersion": "resilience.mesh.dev/v1alpha1", "kind": "CircuitBreaker", "metadata": {"name": "a"}, "spec": {"host": "a"}},
 {"apiVersion": "resilience.mesh.dev/v1alpha1", "kind": "RateLimit", "metadata": {"name": "a"}, "spec": {"host": "a", "tokens": 1}},
 {"apiVersion": "resilience.mesh.dev/v1alpha1", "kind": "Fallback", "metadata": {"name": "a"}, "spec": {"host": "a", "static": {"body": "a"}}},
 {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}, "status": {"phase": "Active"}},
 {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh-system"}, "status": {"phase": "Active"}},
 {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}, "status": {"phase": "Active"}},
 {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mesh-ca-root-cert", "namespace": "mesh-system"}, "data": {"root-cert.pem": "old"}},
 {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "virtualservices.networking.istio.io"}},
 {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "sidecars.networking.istio.io",
  "labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "mesh", "meta.helm.sh/release-namespace": "mesh-system"}}}]
JSON
record() { # NAME [OBJECTS.json]: starts an API server that writes down what it is asked; its kubeconfig is NAME.config
  : > "$work/$1.log"
  node tests/tools/api-recorder.cjs "${2:-$work/objects.json}" >> "$work/$1.log" 2> "$work/$1.err" &
  pid[$1]=$!
  server=$(address "$1" recorder) || exit 1
  printf '%s\n' "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, namespace: mesh-system}}]," \
    "clusters: [{name: a, cluster: {server: 'http://$server'}}]}" > "$work/$1.config"
}
record helms
export HOME=$work

for chart in mesh shop; do
  for values in defaults on off; do
    file=$work/$chart-$values.yaml out=$work/$chart-$values.out
    for major in 3 4; do check "$chart, $values: helm $major lint" helm $major lint --strict "charts/$chart" -f "$file"; done
    render $chart -f "$file" > "$out"
    check "$chart, $values: the fields are Kubernetes'" empty typed "$out"
    check "$chart, $values: it hangs together" empty look selectors "$out"
    check "$chart, $values: kubectl knows each kind" same "$(grep -c '^kind: ' "$out")" \
      "$("$tools/kubectl-1.35" --kubeconfig="$work/helms.config" apply --dry-run=client --validate=false -f "$out" 2>&1 | grep -c 'dry run')"
  done
done
sed 's/^ *replicas: .*/&\n  replica: 2/' "$work/mesh-off.out" > "$work/misspelt.out"
check 'the types find a misspelt field' says "'\"?replica\"?' does not exist" typed "$work/misspelt.out"
check 'a package renders the same' same "$(cat "$work/mesh-off.out")" \
  "$(helm 4 package -d "$work" charts/mesh > /dev/null && helm 4 template mesh "$work/mesh-$version.tgz" -n mesh-system -f "$work/mesh-off.yaml")"
check 'off leaves no trace' same "" "$(look get "$work/mesh-off.out" CustomResourceDefinition metadata/name)$(grep -iE 'webhook|15017' "$work/mesh-off.out")"
check 'nothing of a CRD goes with an uninstall' same "$(for f in crds/*.yaml; do echo keep; done)" \
  "$(look get "$work/mesh-defaults.out" CustomResourceDefinition metadata/annotations/helm.sh~resource-policy)"

upgraded() { KUBECONFIG=$work/helms.config helm 4 template mesh charts/mesh -n mesh-system --dry-run=server --disable-openapi-validation; }
upgraded > "$work/upgraded.out"
check 'an upgrade says nothing about what is in the Secret, so it stays' same 'mesh-webhook-certificates' "$(look get "$work/upgraded.out" Secret metadata/name)$(look get "$work/upgraded.out" Secret data)"
check "another's CRD is left alone, ours is updated" same 'sidecars.networking.istio.io' \
  "$(look get "$work/upgraded.out" CustomResourceDefinition metadata/name | grep -E 'virtualservices|sidecars')"

# A release from its first day to its last, on an API server that keeps what helm sends.
echo '[]' > "$work/nothing.json"
record life "$work/nothing.json"
life() { KUBECONFIG=$work/life.config helm 4 "$@" -n mesh-system; }
held() { curl -sf -m 5 "http://$server/objects" | jq -r "$1" | sort | paste -sd ' '; }
check 'helm install' says 'STATUS: deployed' life install mesh charts/mesh --disable-openapi-validation --set webhooks.enabled=false --set tls.existingSecret=mine
check 'its notes say how to read the pages' says 'create token mesh-control-plane --audience mesh-control-plane' life get notes mesh
check 'helm upgrade' says 'STATUS: deployed' life upgrade mesh charts/mesh --disable-openapi-validation --reset-then-reuse-values --set replicas=3 --set webhooks.enabled=true --set tls.existingSecret=
check 'the upgrade arrived' same 3 "$(held '.[] | select(.kind == "Deployment").spec.replicas')"
check 'helm uninstall' says 'release "mesh" uninstalled' life uninstall mesh
check 'only CRDs are left' same CustomResourceDefinition "$(held '[.[].kind] | unique[]')"
check 'all of them' same "$(ls crds/*.yaml | wc -l)" "$(held length)"
check 'it can be installed again' says 'STATUS: deployed' life install mesh charts/mesh --disable-openapi-validation

while IFS='|' read -r set wanted; do
  check "refused: $set" says "$wanted" render mesh --set "$set"
done << 'SETS'
replica=3|additional properties 'replica' not allowed
replicas=0|/replicas.*minimum
replicas=many|/replicas.*want integer
image.tag=a b|/image/tag
image.digest=sha256:12|/image/digest
webhooks.injection.failurePolicy=Maybe|/webhooks/injection/failurePolicy
webhooks.injection.timeoutSeconds=31|/webhooks/injection/timeoutSeconds
podDisruptionBudget.maxUnavailable=0|/podDisruptionBudget/maxUnavailable
resources.limits.memory=lots|/resources/limits/memory
serviceMonitor.interval=often|/serviceMonitor/interval
listenAddress=127.0.0.1|/listenAddress
SETS

# What the chart starts is what there is: its options, its certificate, its rights.
mapfile -t arguments < <(look get "$work/mesh-defaults.out" Deployment spec/template/spec/containers/0/args)
look get "$work/mesh-defaults.out" ConfigMap data/settings.yaml > "$work/settings.yaml"
arguments=("${arguments[@]/0.0.0.0:*/0.0.0.0:0}")
arguments=("${arguments[@]//\/etc\/mesh\/injection/$work}")
arguments=("${arguments[@]//'$(POD_IP)'/127.0.0.1}")
# The cluster holds a rule of each kind, and what the chart brings for the control plane to fill.
{ cat "$work/objects.json"; look list "$work/mesh-defaults.out" MutatingWebhookConfiguration ValidatingWebhookConfiguration Secret; } | jq -s add > "$work/cluster.json"
record cluster "$work/cluster.json"
openssl rand -hex 32 > "$work/operator"
start control Mesh.ControlPlane "${arguments[@]}" --kubeconfig "$work/cluster.config" --token-file "$work/operator"
api=$(address control api) || exit 1
metrics=$(address control metrics) || exit 1
host=mesh-control-plane.mesh-system.svc
trusted() { curl -sf -m 5 "http://$server/objects" | jq -er ".[] | select(.kind == \"ConfigMap\" and .metadata.namespace == \"$1\") | .data[\"root-cert.pem\"]"; }
has_root() { trusted "$1" | grep 'BEGIN CERTIFICATE'; }
token() { # NAMESPACE ACCOUNT [POD]: a token that the recorder takes
  printf 'e30.%s.x' "$(jq -jn --arg sub "system:serviceaccount:$1:$2" --arg pod "${3:-}" '{$sub, aud: ["mesh-control-plane"], exp: 4102444800} + if $pod != "" then {$pod} else {} end' | base64 -w 0 | tr '+/' '-_' | tr -d '=')"
}
bearer() { printf 'Authorization: Bearer %s' "$(token "$@")"; }
call() { curl -s -m 5 -o /dev/null -w '%{http_code}' --cacert "$work/root.pem" --connect-to "$host:15010:127.0.0.1:${api##*:}" "$@"; }
page=https://$host:15010/mesh/v1/sidecars
register() { # NAMESPACE: as a sidecar of namespace shop
  call -H "$(bearer shop default)" -H 'Content-Type: application/json' -d "{\"service\":\"products\",\"namespace\":\"$1\",\"port\":80,\"address\":\"10.0.0.1:15006\"}" "$page"
}
check 'the control plane starts with the options of the chart and gets ready' until_true 20 curl -sf -m 5 "http://$metrics/readyz"
check 'liveness answers' says ok curl -s -m 5 "http://$metrics/healthz"
check 'a namespace is told what to trust' until_true 20 has_root shop
check 'and the one of the mesh, instead of what it was told before' until_true 20 has_root mesh-system
check 'kube-system is not' says '^$' trusted kube-system
trusted shop > "$work/root.pem"
check "its certificate is for the service's name, and a token is asked for" says '^401$' call "$page"
check "a service account's token lets a sidecar in" says '^201$' register shop
check 'into its own namespace only' says '^403$' register store
check 'the pages are not for it' says '^403$' call -H "$(bearer shop default)" "$page"
check 'nor for other service accounts, since no kubelet says which namespace is ours' says '^403$' call -H "$(bearer mesh-system mesh-control-plane)" "$page"
check 'but for the operator' says '^200$' call -H "Authorization: Bearer $(cat "$work/operator")" "$page"

# A pod as the webhook of this chart makes it: its sidecar, with the arguments and the files that it gets there, is let in.
cat > "$work/pod.yaml" << 'YAML'
{apiVersion: v1, kind: Pod, metadata: {name: products-1, namespace: shop, labels: {app: products}}, spec: {containers: [{name: app, image: "shop:1"}]}}
YAML
"$bin/Mesh.Cli/release/meshctl" inject --settings "$work/settings.yaml" -f "$work/pod.yaml" > "$work/injected.yaml"
mapfile -t sidecar < <(look list "$work/injected.yaml" Pod | jq -r '.[].spec | (.initContainers + .containers)[] | select(.name == "mesh-proxy").args[]')
mkdir -p "$work/pod/root" "$work/pod/token" "$work/pod/info"
cp "$work/root.pem" "$work/pod/root/root-cert.pem"
token shop default products-1 > "$work/pod/token/token"
echo 'app="products"' > "$work/pod/info/labels"
sidecar=("${sidecar[@]//'$(POD_NAME).$(POD_NAMESPACE)'/products-1.shop}")
sidecar=("${sidecar[@]//\/var\/run\/secrets\/mesh/$work/pod}")
sidecar=("${sidecar[@]//\/etc\/mesh\/pod/$work/pod/info}")
sidecar=("${sidecar[@]//\/var\/lib\/mesh/$work/pod/state}")
sidecar=("${sidecar[@]/$host:15010/$host:${api##*:}}")
echo "127.0.0.1 localhost $host" > "$work/hosts"
: > "$work/pod.log"
POD_IP=127.0.0.1 unshare -m sh -c 'mount --bind "$1" /etc/hosts && shift && exec "$@"' hosts "$work/hosts" "${MESH_SIDECAR:-$bin/Mesh.Sidecar/release/Mesh.Sidecar}" "${sidecar[@]}" \
  --outbound 127.0.0.1:0 --inbound 127.0.0.1:0 --admin 127.0.0.1:0 --health 127.0.0.1:0 --metrics 127.0.0.1:0 --agent 127.0.0.1:0 >> "$work/pod.log" 2> "$work/pod.err" &
pid[pod]=$!
running() { # what the control plane says of the pod's sidecar
  curl -s -m 5 --cacert "$work/root.pem" --connect-to "$host:15010:127.0.0.1:${api##*:}" -H "Authorization: Bearer $(cat "$work/operator")" "$page" \
    | jq -e '.[] | select(.id == "products-1.shop" and .streams == 1 and .acked != "" and .acked == .sent)'
}
check 'an injected sidecar comes in with its token, trusts by its ConfigMap, and runs the rules' until_true 20 running
check 'it is ready' until_true 10 curl -sf -m 5 "http://$(address pod health)/healthz/ready"
stop pod

granted=$(look rights "$work/mesh-defaults.out" | sort -u)
rights_fit() { same "$granted" "$(grep -E '^(get|list|watch|create|update|patch|delete) ' "$work/cluster.log" | sort -u)"; }
until_true 20 rights_fit
check 'its rights are what it asks for, no less and no more' rights_fit
curl -s -m 5 "http://$metrics/metrics" > "$work/pages"
stop control

# The rule of the shop, before our own API; and the pages of a sidecar that runs it, for the dashboard.
start_shop || exit 1
k() { timeout 30 "$tools/kubectl-1.35" --server="http://$api" "$@"; }
look only "$work/shop-defaults.out" networking.istio.io > "$work/rule.json"
check 'our API takes the rule of the chart' says 'products created \(server dry run\)' k apply --dry-run=server -f "$work/rule.json"
k apply -f "$work/rule.json" > /dev/null 2>&1
order > /dev/null
curl -s -m 5 -o /dev/null -x "http://$(address orders-sidecar outbound)" http://nowhere.example/ # an answer of the sidecar itself
curl -s -m 5 "http://$(address orders-sidecar metrics)/stats/prometheus" >> "$work/pages"
node -e 'const {panels} = require("./charts/mesh/files/dashboard.json");
  for (const p of panels) for (const t of p.targets ?? []) console.log(t.expr.match(/\b(mesh|istio|envoy)_\w+/g).join("\n"))' | sort -u > "$work/names"
unknown() { grep -vxFf <(sed -nE 's/^([a-z_0-9]+)[{ ].*/\1/p' "$work/pages" | sort -u) "$work/names"; }
check 'the dashboard has names' test -s "$work/names"
check 'the dashboard asks only for metrics that exist' same "" "$(unknown)"
check 'the service that the shop runs has the options of the chart' says 'listening on' timeout 3 "$bin/Mesh.Shop/release/Mesh.Shop" orders --listen 127.0.0.1:0 --instance a
done_checking
