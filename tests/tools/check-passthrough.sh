#!/usr/bin/env bash
# Connections that REDIRECT rules of the kernel bring to the sidecar, in a network namespace of its own: known services, unknown ones, PASSTHROUGH, REGISTRY_ONLY, loops.
# The sidecar runs under a user of its own, as in an injected pod, so that the rules leave its connections alone. Needs root.
# effect-of: DestinationRule trafficPolicy.loadBalancer.simple
# effect-of: ServiceEntry addresses
# effect-of: ServiceEntry resolution
# effect-of: Sidecar outboundTrafficPolicy.mode
. "$(dirname "$0")/lib.sh"
pod=mesh-pod-$$
world=mesh-world-$$
sidecar_user=41337
client_user=41338

finish() {
  cleanup
  ip netns del "$pod" 2> /dev/null # and with it the pair
  ip netns del "$world" 2> /dev/null
}
trap finish EXIT

inside() { ip netns exec "$pod" "$@"; }
outside() { ip netns exec "$world" "$@"; }
run_as() { # USER COMMAND...
  local user=$1
  shift
  inside setpriv --reuid "$user" --regid "$user" --clear-groups "$@"
}

# Two namespaces and a pair between them: the pod at .2, the world at .1 and some addresses more.
ip netns add "$pod" && ip netns add "$world" && ip -n "$pod" link add eth0 type veth peer name eth0 netns "$world" || exit 1
for space in "$pod" "$world"; do ip -n "$space" link set lo up && ip -n "$space" link set eth0 up; done
ip -n "$pod" address add 10.201.0.2/24 dev eth0
ip -n "$pod" address add fd00:201::2/64 dev eth0 nodad
for last in 1 11 12 13; do ip -n "$world" address add "10.201.0.$last/24" dev eth0; done
ip -n "$world" address add fd00:201::1/64 dev eth0 nodad

# As in semantics 9.2, for one user's calls.
for tables in iptables ip6tables; do
  inside "$tables" -w -t nat -A OUTPUT -p tcp -m owner --uid-owner "$client_user" ! -o lo -j REDIRECT --to-ports 15001 || exit 1
done
inside iptables -w -t nat -A OUTPUT -p tcp -m owner --uid-owner "$client_user" -d 10.201.0.2 -j REDIRECT --to-ports 15001
inside iptables -w -t nat -A PREROUTING -p tcp --dport 15001 -j RETURN
inside iptables -w -t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 15006

server() { # NAME ADDRESS PORT: HTTP that answers with its name, the address it was called at and the caller's
  exec python3 -c '
import http.server, socket, sys, time
name, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow": time.sleep(3)
        text = "%s at %s from %s;" % (name, self.connection.getsockname()[0], self.client_address[0])
        self.send_response(200); self.send_header("content-length", str(len(text))); self.end_headers(); self.wfile.write(text.encode())
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
Server((address, port), Handler).serve_forever()' "$@"
}
speaker() { # ADDRESS PORT: speaks first, as databases and mail servers do
  exec python3 -c '
import socketserver, sys
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(("ready at %s;" % self.request.getsockname()[0]).encode())
        self.request.recv(1)
class Server(socketserver.ThreadingTCPServer): allow_reuse_address = True
Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()' "$@"
}
run_in() { # SPACE NAME COMMAND...
  local space=$1 name=$2
  shift 2
  ip netns exec "$space" "$@" > "$work/$name.log" 2> "$work/$name.err" &
  pid[$name]=$!
}
export -f server speaker
run_in "$world" elsewhere bash -c 'server elsewhere 0.0.0.0 18080'
run_in "$world" six bash -c 'server six fd00:201::1 18081'
run_in "$world" database bash -c 'speaker 0.0.0.0 13306'
run_in "$world" mail bash -c 'speaker 0.0.0.0 2525'
run_in "$pod" application bash -c 'server application 10.201.0.2 8080'
run_in "$pod" unnamed bash -c 'server unnamed 10.201.0.2 8081'

mkdir "$work/rules"
chmod -R a+rX "$work"
mkdir -m 777 "$work/logs"
entry() { # NAME LINES...: a ServiceEntry
  printf -- '---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: %s}\nspec:\n' "$1"
  shift
  printf '  %s\n' "$@"
}
{
  # The service is at .11 for its callers and at .1 in truth.
  entry shop 'hosts: [shop.test]' 'addresses: [10.201.0.11]' 'resolution: STATIC' 'ports: [{number: 18080, name: web, protocol: HTTP}]' 'endpoints: [{address: 10.201.0.1}]'
  entry kept 'hosts: [kept.test]' 'addresses: [10.201.0.12]' 'resolution: STATIC' 'ports: [{number: 18080, name: web, protocol: HTTP}]' 'endpoints: [{address: 10.201.0.1}]'
  entry wide 'hosts: [wide.test]' 'addresses: [10.201.0.0/24]' 'resolution: STATIC' 'ports: [{number: 13306, name: db, protocol: TCP}]' 'endpoints: [{address: 10.201.0.11}]'
  entry narrow 'hosts: [narrow.test]' 'addresses: [10.201.0.12/31]' 'resolution: NONE' 'ports: [{number: 13306, name: db, protocol: TCP}]'
  printf -- '---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: shop}\nspec: {host: shop.test, trafficPolicy: {connectionPool: {http: {http2MaxRequests: 1}}}}\n'
  printf -- '---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: kept}\nspec: {host: kept.test, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}}\n'
} > "$work/rules/rules.yaml"

# The program where its user may read it.
cp -r "$bin/Mesh.Sidecar/release" "$work/program"
chmod -R a+rX "$work/program"
program=$work/program/Mesh.Sidecar
[ -z "${MESH_SIDECAR:-}" ] || { cp "$MESH_SIDECAR" "$work/program/native"; program=$work/program/native; }
capabilities=()
start_sidecar() { # OPTIONS...
  run_in "$pod" sidecar setpriv --reuid "$sidecar_user" --regid "$sidecar_user" --clear-groups "${capabilities[@]}" env HOME=/tmp \
    "$program" run --rules "$work/rules" --service shop:8080 --app 10.201.0.2:8080 \
    --outbound '[::]:15001' --inbound 0.0.0.0:15006 --access-log "$work/logs/access.log" \
    --admin 127.0.0.1:15000 --health 127.0.0.1:15021 --metrics 127.0.0.1:15090 "$@"
  address sidecar outbound > /dev/null && until_true 10 inside curl -sf http://127.0.0.1:15021/healthz/ready
}
until_true 10 outside curl -s -m 1 http://10.201.0.1:18080/ || exit 1
until_true 10 inside curl -s -m 1 http://10.201.0.2:8081/ || exit 1
start_sidecar --interception redirect || exit 1

call() { run_as "$client_user" curl -s -m 5 -w ' %{http_code}' "$@"; }
listen() { run_as "$client_user" bash -c 'exec 3<>"/dev/tcp/$1/$2" && read -r -t 5 -d ";" line <&3; echo "$line"' listen "$@"; }
stat() { inside curl -s http://127.0.0.1:15000/stats | awk -v name="$1: " 'index($0, name) == 1 { print $2 }'; }
grows() { # NAME COMMAND...: the command makes the counter grow
  local name=$1 before
  before=$(stat "$name")
  shift
  "$@" > /dev/null 2>&1
  until_true 5 bigger "$name" "${before:-0}" || { echo "$name stays at ${before:-nothing}"; return 1; }
}
bigger() { local now; now=$(stat "$1"); [ "${now:-0}" -gt "$2" ]; }
logged() { until_true 5 grep -qE -- "$1" "$work/logs/access.log" || { cat "$work/logs/access.log"; return 1; }; }
at_limit() {
  call http://10.201.0.11:18080/slow -H 'host: shop.test' > /dev/null &
  local first=$!
  until_true 5 bigger 'cluster.outbound|18080||shop.test;.upstream_rq_active' 0
  says ' 503$' call http://10.201.0.11:18080/ -H 'host: shop.test'
  local result=$?
  wait "$first"
  return "$result"
}

check "a known service by its name: the rule's endpoint answers" says '^elsewhere at 10.201.0.1 from 10.201.0.2; 200$' call http://10.201.0.13:18080/ -H 'host: shop.test'
check "a known service by its address alone" says '^elsewhere at 10.201.0.1 .* 200$' call http://10.201.0.11:18080/ -H 'host: 10.201.0.11'
check "its rule is obeyed: one request at a time" at_limit
check "the access log has the address that was dialled" logged '"10.201.0.1:18080" outbound\|18080\|\|shop.test \S+ 10.201.0.13:18080 '
check "PASSTHROUGH: the address that was dialled is the upstream" says '^elsewhere at 10.201.0.12 .* 200$' call http://10.201.0.12:18080/ -H 'host: kept.test'
check "PASSTHROUGH through http_proxy by name: nobody knows the address, 503" says ' 503$' call -x http://127.0.0.1:15001 http://kept.test:18080/
check "through http_proxy the known service is the same" says '^elsewhere at 10.201.0.1 .* 200$' call -x http://127.0.0.1:15001 http://shop.test:18080/
check "an unknown host on a port of HTTP passes" says '^elsewhere at 10.201.0.13 .* 200$' call http://10.201.0.13:18080/ -H 'host: nobody.test'
check "a block of addresses: its service is reached, and may speak first" says '^ready at 10.201.0.11$' listen 10.201.0.1 13306
check "the longer prefix wins, and resolution NONE keeps the address" says '^ready at 10.201.0.13$' listen 10.201.0.13 13306
check "an unknown port passes as bytes, whoever speaks first" says '^ready at 10.201.0.13$' listen 10.201.0.13 2525
check "the same is counted under PassthroughCluster" grows 'cluster.PassthroughCluster;.upstream_cx_total' listen 10.201.0.13 2525
check "IPv6, on a listener for both families" says '^six at fd00:201::1 from fd00:201::2; 200$' call 'http://[fd00:201::1]:18081/'
check "a direct connection to 15001 from elsewhere is closed" grows http.outbound.downstream_cx_not_redirected outside curl -s -m 5 http://10.201.0.2:15001/
check "a call of the sidecar's own listener is no loop" grows http.outbound.downstream_cx_loop call http://10.201.0.2:15006/
check "inbound, the known port: the application answers" says '^application at 10.201.0.2 .* 200$' outside curl -s -m 5 -w ' %{http_code}' http://10.201.0.2:8080/
check "inbound, a port that no service names: passed on from 127.0.0.6" says '^unnamed at 10.201.0.2 from 127.0.0.6; 200$' outside curl -s -m 5 -w ' %{http_code}' http://10.201.0.2:8081/
check "inbound, a port of the sidecar's own is not reached through it" grows http.inbound.downstream_cx_loop outside curl -s -m 5 http://10.201.0.2:15021/
printf 'apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: default}\nspec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}\n' > "$work/rules/policy.yaml"
chmod a+r "$work/rules/policy.yaml"
check "REGISTRY_ONLY: an unknown host on a port of HTTP is answered 502" until_true 10 says ' 502$' call http://10.201.0.13:18080/ -H 'host: nobody.test'
check "REGISTRY_ONLY: an unknown port is closed" says '^$' listen 10.201.0.13 2525
check "the same is counted under BlackHoleCluster" grows 'cluster.BlackHoleCluster;.upstream_cx_none_healthy' listen 10.201.0.13 2525
check "REGISTRY_ONLY: what is known is reached" says '^ready at 10.201.0.13$' listen 10.201.0.13 13306
rm "$work/rules/policy.yaml"
check "no bug was met" says '^0$' stat server.unexpected_exception_total
stop sidecar

start_sidecar --interception redirect --transport sockets || exit 1
check "Kestrel's sockets: a known service" says '^elsewhere at 10.201.0.1 .* 200$' call http://10.201.0.13:18080/ -H 'host: shop.test'
check "Kestrel's sockets: an unknown port" says '^ready at 10.201.0.13$' listen 10.201.0.13 2525
check "Kestrel's sockets: IPv6" says '^six at fd00:201::1 .* 200$' call 'http://[fd00:201::1]:18081/'
check "Kestrel's sockets: inbound, a port that no service names" says '^unnamed at 10.201.0.2 from 127.0.0.6; 200$' outside curl -s -m 5 -w ' %{http_code}' http://10.201.0.2:8081/
stop sidecar

# TPROXY: the socket itself has the dialled address, and unknown ports are called in the client's name. The sidecar needs CAP_NET_ADMIN for that.
inside iptables -w -t nat -F
inside "$program" init --mode TPROXY --proxy-uid "$sidecar_user" --proxy-gid "$sidecar_user" > /dev/null
for transport in epoll sockets; do
  capabilities=(--inh-caps +net_admin --ambient-caps +net_admin)
  start_sidecar --interception tproxy --transport "$transport" || exit 1
  check "TPROXY, $transport: the known port" says '^application at 10.201.0.2 .* 200$' outside curl -s -m 5 -w ' %{http_code}' http://10.201.0.2:8080/
  check "TPROXY, $transport: a port that no service names" says '^unnamed at 10.201.0.2 from 10.201.0.1; 200$' outside curl -s -m 5 -w ' %{http_code}' http://10.201.0.2:8081/
  stop sidecar
done

done_checking
