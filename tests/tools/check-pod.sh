#!/usr/bin/env bash
# Injected pods, played by podman: init container, sidecar and application from their images, with traffic both ways and the lab's rule. Native sidecar and old order,
# REDIRECT and TPROXY, a Job of each order; the control plane is on the other side of the pod's network, behind TLS and a token. Then the workloads of charts/shop, as
# helm renders them. Needs root.
#
# `podman kube play` creates the pods from what `meshctl inject` writes. What podman 4.3 (Debian 12) cannot do is done here, and nothing else:
# - volumes of a projected token and of the downward API: folders of the host with the files that kubelet would write; fieldRefs other than the pod's name: their values;
#   $(VARIABLE) in arguments: its value. The ConfigMap with the control plane's root is podman's own.
# - annotations of more than 63 characters: the injector's own note of what it did is left out. Ports of containers, which podman would publish: left out.
# - restartPolicy Always, by which podman starts init containers over and over: OnFailure, or what the pod says.
# - kubelet's order of start and end, with its startup probe and hooks: the functions kubelet_… below. Podman knows no native sidecars: theirs is created as a container.
# - a network of the pod's own, without a plugin: one pair to the namespace of the "cluster"; names come from a hosts file instead of the cluster's DNS.
# effect-of: DestinationRule trafficPolicy.connectionPool.http.http1MaxPendingRequests
# effect-of: DestinationRule trafficPolicy.connectionPool.tcp.maxConnections
. "$(dirname "$0")/lib.sh"
. tests/tools/images.sh
cluster=mesh-cluster-$$
space=mesh-pod-$$
meshctl=$bin/Mesh.Cli/release/meshctl

leave() {
  leave_pod
  end_images
  cleanup
  ip netns del "$cluster" 2> /dev/null
}
leave_pod() {
  ip netns del "$space" 2> /dev/null
  engine pod rm -fa -t 0 > /dev/null 2>&1
  engine volume prune -f > /dev/null 2>&1
}
trap leave EXIT
outside() { ip netns exec "$cluster" "$@"; }
inside() { ip netns exec "$space" "$@"; }
run_outside() { # NAME COMMAND...
  local name=$1
  shift
  : > "$work/$name.log"
  ip netns exec "$cluster" "$@" >> "$work/$name.log" 2> "$work/$name.err" &
  pid[$name]=$!
}

# The images: the sidecar's as it is, the shop's with a shell and curl, as an application may have them; and what holds a pod's namespaces.
sidecar_root && publish bench/Mesh.Shop shop && base_image > /dev/null || exit 1
mkdir -p "$work/app/usr/bin"
programs=(/usr/bin/dash /usr/bin/curl /usr/bin/sleep)
{ printf '%s\n' "${programs[@]}"; libraries_of "${programs[@]}"; } | copy_into "$work/app"
ln -s dash "$work/app/usr/bin/sh"
printf 'FROM localhost/shop\nCOPY . /\n' > "$work/Containerfile.app"
printf 'FROM localhost/app\nENTRYPOINT ["sh", "-c", "trap exit TERM; sleep infinity & wait"]\n' > "$work/Containerfile.pause"
{ build sidecar sidecar/Containerfile "$work/sidecar" && build shop bench/Mesh.Shop/Containerfile "$images/shop" --build-arg BASE=localhost/base &&
  engine build -q -f "$work/Containerfile.app" -t localhost/app "$work/app" && engine build -q -f "$work/Containerfile.pause" -t localhost/pause "$work/app"; } > "$work/build.log" 2>&1 ||
  { cat "$work/build.log"; exit 1; }
printf '127.0.0.1 localhost\n10.203.0.1 mesh-control-plane.mesh-system.svc\n10.203.0.20 products\n' > "$work/hosts"
printf '[containers]\nbase_hosts_file = "%s"\n[engine]\ninfra_image = "localhost/pause"\n' "$work/hosts" > "$work/containers.conf"
export CONTAINERS_CONF=$work/containers.conf

# The cluster: products at .1, which its callers know as .20; the control plane with a certificate of its own authority.
ip netns add "$cluster" && ip -n "$cluster" link set lo up && ip -n "$cluster" link add eth0 type bridge && ip -n "$cluster" link set eth0 up || exit 1
ip -n "$cluster" address add 10.203.0.1/24 dev eth0
mkdir -p "$work"/{tls,kubelet/token,kubelet/pod}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=mesh-root -keyout "$work/tls/ca.key" -out "$work/tls/ca.crt" 2> /dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=mesh-control-plane -keyout "$work/tls/tls.key" -out "$work/tls/tls.csr" 2> /dev/null
openssl x509 -req -in "$work/tls/tls.csr" -CA "$work/tls/ca.crt" -CAkey "$work/tls/ca.key" -CAcreateserial -days 2 -out "$work/tls/tls.crt" \
  -extfile <(echo 'subjectAltName = DNS:mesh-control-plane.mesh-system.svc, IP:10.203.0.1') 2> /dev/null || exit 1
openssl rand -hex 32 > "$work/kubelet/token/token"
run_outside control "$bin/Mesh.ControlPlane/release/Mesh.ControlPlane" serve --listen 10.203.0.1:15010 --metrics-listen 127.0.0.1:0 --data "$work/data" \
  --tls-cert "$work/tls/tls.crt" --tls-key "$work/tls/tls.key" --token-file "$work/kubelet/token/token"
run_outside products "$bin/Mesh.Shop/release/Mesh.Shop" products --listen 10.203.0.1:8080
address control api > /dev/null && address products products > /dev/null || exit 1
k() { outside env HOME="$work" timeout 30 "$tools/kubectl-1.35" --server=https://10.203.0.1:15010 --certificate-authority="$work/tls/ca.crt" --token="$(cat "$work/kubelet/token/token")" -n shop "$@"; }
cat > "$work/rules.yaml" << 'YAML'
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: products}
spec:
  hosts: [products.shop.svc.cluster.local]
  addresses: [10.203.0.20]
  resolution: STATIC
  ports: [{number: 8080, name: http, protocol: HTTP}]
  endpoints: [{address: 10.203.0.1}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: relay}
spec:
  hosts: [relay.shop.svc.cluster.local]
  addresses: [10.203.0.21]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
  workloadSelector: {labels: {app: relay}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: relay}
spec: {address: 10.203.0.2, labels: {app: relay}}
YAML
check 'the rules and the rule of the lab' says 'destinationrule.networking.istio.io/products created' k apply -f "$work/rules.yaml" -f bench/Mesh.Lab/rules/products-destinationrule.yaml

pods() { # KIND ANNOTATIONS: relay answers every GET with what products says; job asks products once
  printf '%s\n' 'apiVersion: v1' 'kind: Pod' "metadata: {name: $1, namespace: shop, labels: {app: $1}, annotations: {$2}}" 'spec:'
  case $1 in
    relay) echo '  containers: [{name: app, image: localhost/app, args: [relay, --listen, "0.0.0.0:8080"], securityContext: {runAsUser: 1000}}]' ;;
    *) printf '  restartPolicy: Never\n  containers: [{name: app, image: localhost/app, command: [sh, -c, "%s"], securityContext: {runAsUser: 1000}}]\n' "$3" ;;
  esac
}
create() { # NATIVE KIND ANNOTATIONS [COMMAND]: injects the pod, replaces what podman does not know, and has podman create it
  native=$1 pod=$2
  local list=containers policy=OnFailure field as_podman_knows=.
  [ "$pod" = relay ] || policy=Never
  if [ "$native" = true ]; then
    list=initContainers
    as_podman_knows='.spec |= (.containers = [(.initContainers[] | select(.name == "mesh-proxy"))] + .containers | .initContainers |= map(select(.name != "mesh-proxy")))'
  fi
  pods "${@:2}" | "$meshctl" inject -f - --image localhost/sidecar --native-sidecar "$native" > "$work/injected.yaml" || return 1
  for field in labels annotations; do # as kubelet writes them
    patched -p '{}' -o "go-template={{range \$k, \$v := .metadata.$field}}{{\$k}}={{printf \"%q\" \$v}}{{\"\\n\"}}{{end}}" > "$work/kubelet/pod/$field" || return 1
  done
  cat > "$work/patch.yaml" << YAML
metadata: {annotations: {sidecar.istio.io/status: null}}
spec:
  restartPolicy: $policy
  volumes:
  - {name: mesh-token, \$retainKeys: [name, hostPath], hostPath: {path: $work/kubelet/token}}
  - {name: mesh-pod, \$retainKeys: [name, hostPath], hostPath: {path: $work/kubelet/pod}}
  $list:
  - name: mesh-proxy
    ports: [{\$patch: replace}]
    env:
    - {name: POD_NAMESPACE, value: shop, valueFrom: null}
    - {name: POD_IP, value: 10.203.0.2, valueFrom: null}
    - {name: POD_IPS, value: 10.203.0.2, valueFrom: null}
    - {name: HOST_IP, value: 10.203.0.1, valueFrom: null}
    - {name: NODE_NAME, value: here, valueFrom: null}
    - {name: SERVICE_ACCOUNT, value: default, valueFrom: null}
YAML
  patched --patch-file "$work/patch.yaml" -o json | jq "$as_podman_knows" | sed "s/\$(POD_NAME)/$pod/; s/\$(POD_NAMESPACE)/shop/" > "$work/played.yaml" || return 1
  printf -- '\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: mesh-ca-root-cert}\ndata:\n  root-cert.pem: |\n%s\n' "$(sed 's/^/    /' "$work/tls/ca.crt")" >> "$work/played.yaml"
  engine kube play --network none --start=false "$work/played.yaml"
}
patched() { "$tools/kubectl-1.35" patch --local -f "$work/injected.yaml" --type=strategic "$@"; }
connect() { # POD SPACE ADDRESS: the pod's namespaces begin with its first container; then it is given its address
  local infra
  infra=$(engine ps -a --filter "pod=$1" --format '{{.Names}}' | grep infra)
  engine start "$infra" > /dev/null && ip netns attach "$2" "$(engine inspect --format '{{.State.Pid}}' "$infra")" || return 1
  ip -n "$cluster" link add "to-${1:0:12}" type veth peer name eth0 netns "$2" && ip -n "$cluster" link set "to-${1:0:12}" master eth0 up || return 1
  ip -n "$2" address add "$3/24" dev eth0 && ip -n "$2" link set eth0 up && ip -n "$2" route add default via 10.203.0.1
}
hook() { # postStart|preStop: what the manifest has kubelet run in the sidecar
  local command
  command=$(patched -p '{}' -o json | jq -r --arg hook "$1" '.spec | (.containers + .initContainers)[] | select(.name == "mesh-proxy").lifecycle[$hook].exec.command // [] | join(" ")')
  [ -n "$command" ] || { echo "there is no hook $1"; return 1; }
  # shellcheck disable=SC2086
  engine exec "$pod-mesh-proxy" $command
}
ready() { outside curl -sf -m 3 http://10.203.0.2:15021/healthz/ready; }
kubelet_starts_sidecar() { # init containers to their ends, one after the other; then the sidecar, until its probe or its hook lets the application start
  engine start "$pod-mesh-init" > /dev/null && [ "$(engine wait "$pod-mesh-init")" = 0 ] || { engine logs "$pod-mesh-init"; return 1; }
  engine start "$pod-mesh-proxy" > /dev/null || return 1
  if [ "$native" = true ]; then until_true 30 ready; else hook postStart; fi || { engine logs "$pod-mesh-proxy"; return 1; }
}
kubelet_starts_app() { engine start "$pod-app" > /dev/null; }
ends_with() { says "^$2\$" engine wait "$1"; } # CONTAINER CODE
state() { engine pod inspect "$pod" --format '{{.State}}'; }
has_ended() { says '^Exited$' state; }

in_app() { engine exec "$pod-app" "$@"; }
asks() { in_app curl -s -m 5 -w ' %{http_code}' http://products:8080/product/2 "$@"; }
arrives() { outside curl -s -m 5 -w ' %{http_code}' http://10.203.0.2:8080/product/2 "$@"; }
stat() { inside curl -s http://127.0.0.1:15000/stats | awk -v name="$1: " 'index($0, name) == 1 { print $2 }'; }
through_both() { # a call from outside, and the call that it makes
  local in out
  in=$(stat http.inbound.downstream_rq_total) out=$(stat http.outbound.downstream_rq_total)
  says '"id":2.* 200$' arrives || return 1
  [ "$(stat http.inbound.downstream_rq_total)" -eq $((in + 1)) ] && [ "$(stat http.outbound.downstream_rq_total)" -eq $((out + 1)) ]
}
products() { outside curl -sf -m 5 -X PUT -H 'content-type: application/json' -d "{\"mode\": \"$1\"}" http://10.203.0.1:8080/control > /dev/null; }
at_least() { local now; now=$(stat "$1"); [ "${now:-0}" -ge "$2" ]; }
overload() { # products hangs, so an answer now is the sidecar's own
  local cluster_of='cluster.outbound|8080||products.shop.svc.cluster.local;' code=0
  products hang
  arrives > "$work/first" &
  local first=$!
  until_true 5 at_least "${cluster_of}.upstream_rq_active" 1 || code=1
  arrives > "$work/second" &
  local second=$!
  until_true 5 at_least "${cluster_of}.upstream_rq_pending_active" 1 || code=1
  says ' 503$' arrives -m 2 || code=1
  asks -m 2 -D - > "$work/refused"
  for line in '^HTTP/1.1 503' '^x-mesh-reason: pending_overflow; rule=shop/products#spec.trafficPolicy.connectionPool.http.http1MaxPendingRequests' 'reset reason: overflow'; do
    grep -qE "$line" "$work/refused" || { cat "$work/refused"; code=1; }
  done
  products ok
  wait "$first" "$second"
  grep -qE ' 200$' "$work/first" && grep -qE ' 200$' "$work/second" || { cat "$work/first" "$work/second"; code=1; }
  return "$code"
}

# A pod that serves: NATIVE REDIRECT|TPROXY
serves() {
  local title="native $1, $2"
  check "$title: podman creates the pod" create "$1" relay "sidecar.istio.io/interceptionMode: $2, proxy.istio.io/config: 'terminationDrainDuration: 10s'"
  engine pod exists relay || return
  check "$title: it has a network" connect relay "$space" 10.203.0.2
  check "$title: init ends well, the sidecar gets ready" kubelet_starts_sidecar
  check "$title: and nothing else has been started" says '^created$' engine inspect --format '{{.State.Status}}' relay-app
  kubelet_starts_app
  until_true 10 arrives -f || engine logs relay-app
  check "$title: a call from outside and the call it makes go through the sidecar" through_both
  check "$title: the application's own call" says '"id":2.* 200$' asks
  check "$title: overload is refused at once, by the rule of the lab" overload
  check "$title: the control plane knows the sidecar" says '"relay.shop"' outside curl -sf -m 5 --cacert "$work/tls/ca.crt" -H "Authorization: Bearer $(cat "$work/kubelet/token/token")" https://10.203.0.1:15010/mesh/v1/sidecars
  if [ "$1" = true ]; then
    check "$title: the hook before the end" hook preStop
    check "$title: drained, it is not ready" says ' 503$' outside curl -s -w ' %{http_code}' http://10.203.0.2:15021/healthz/ready
    check "$title: the application still calls out" says ' 200$' asks
    check "$title: the application ends first" engine stop -t 5 relay-app
    engine kill -s TERM relay-mesh-proxy > /dev/null
  else
    engine kill -s TERM relay-mesh-proxy > /dev/null # kubelet tells both; the application takes its time
    check "$title: told to end, it is not ready" until_true 5 says ' 503$' outside curl -s -w ' %{http_code}' http://10.203.0.2:15021/healthz/ready
    check "$title: answers of the application close their connections" says '^< connection: close' outside curl -sv -m 5 http://10.203.0.2:8080/product/2
    check "$title: the application still calls out" says ' 200$' asks
    check "$title: the application ends" engine stop -t 5 relay-app
  fi
  check "$title: the sidecar ends with 0" ends_with relay-mesh-proxy 0
  check "$title: the pod has ended" until_true 10 has_ended
  leave_pod
}
serves false REDIRECT
serves true REDIRECT
serves true TPROXY

# Jobs: beside an ordinary sidecar they say when they are done; a native one ends when kubelet sees that they are.
ask='curl -sf -m 5 http://products:8080/product/2'
check 'job, old order: podman creates the pod' create false job '' "$ask && curl -sf -X POST http://127.0.0.1:15020/quitquitquit"
connect job "$space" 10.203.0.2 && check 'job, old order: init and sidecar' kubelet_starts_sidecar && kubelet_starts_app
check 'job, old order: it ends with 0' ends_with job-app 0
check 'job, old order: told so, the sidecar ends with 0' ends_with job-mesh-proxy 0
check 'job, old order: the pod has ended' until_true 10 has_ended
leave_pod
check 'job, native: podman creates the pod' create true job '' "$ask"
connect job "$space" 10.203.0.2 && check 'job, native: init and sidecar' kubelet_starts_sidecar && kubelet_starts_app
check 'job, native: it ends with 0' ends_with job-app 0
check 'job, native: the hook' hook preStop
engine kill -s TERM job-mesh-proxy > /dev/null
check 'job, native: the sidecar ends with 0' ends_with job-mesh-proxy 0
check 'job, native: the pod has ended' until_true 10 has_ended
leave_pod

# The shop of the chart, a pod each.
shop=(orders delivery products)
leave_shop() { for name in "${shop[@]}"; do ip netns del "mesh-$name-$$" 2> /dev/null; done; }
trap 'leave_shop; leave' EXIT
printf '127.0.0.1 localhost\n10.203.0.11 orders\n10.203.0.12 delivery\n10.203.0.13 products\n' > "$work/hosts"
"$tools/helm-4" template shop charts/shop -n shop --set image.repository=localhost/shop,image.tag=latest,replicas.products=1 --show-only templates/services.yaml 2> /dev/null |
  sed -e '/containerPort:/d' -e '/^          ports:$/d' > "$work/shop.yaml"
check 'chart of the shop: podman creates the Deployments' engine kube play --network none --start=false "$work/shop.yaml"
for i in 0 1 2; do
  connect "${shop[i]}-pod-0" "mesh-${shop[i]}-$$" "10.203.0.1$((i + 1))" && engine pod start "${shop[i]}-pod-0" > /dev/null
done
chart_order() { outside curl -s -m 10 -w ' %{http_code}' -H 'content-type: application/json' -d '{"productId":2,"quantity":1}' http://10.203.0.11:8080/orders; }
for i in 1 2 3; do until_true 20 outside curl -sf -m 1 "http://10.203.0.1$i:8080/actuator/health"; done # their readiness probes
check 'chart of the shop: an order goes through all three' says '"state":"OrderPlaced".* 201$' chart_order
done_checking
