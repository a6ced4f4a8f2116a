#!/usr/bin/env bash
# A sidecar in front of a whole pod (`run --pod`), in a network namespace with the rules of `init`: it finds its services by the pod's address, each port has the limits of
# its own service, and the application is reached at the address that was dialled. The sidecar is user 1337 without a capability. Needs root.
. "$(dirname "$0")/lib.sh"
pod=mesh-ports-pod-$$
cluster=mesh-ports-cluster-$$

finish() {
  cleanup
  ip netns del "$pod" 2> /dev/null # and with it the pair
  ip netns del "$cluster" 2> /dev/null
}
trap finish EXIT

inside() { ip netns exec "$pod" "$@"; }
outside() { ip netns exec "$cluster" "$@"; }
run_in_pod() { # NAME USER COMMAND...
  local name=$1 user=$2
  shift 2
  : > "$work/$name.log"
  ip netns exec "$pod" setpriv --reuid "$user" --regid "$user" --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs env HOME=/tmp "$@" > "$work/$name.log" 2> "$work/$name.err" &
  pid[$name]=$!
}

ip netns add "$pod" && ip netns add "$cluster" && ip -n "$pod" link add eth0 type veth peer name eth0 netns "$cluster" || exit 1
for space in "$pod" "$cluster"; do ip -n "$space" link set lo up && ip -n "$space" link set eth0 up; done
ip -n "$pod" address add 10.203.0.2/24 dev eth0
ip -n "$pod" address add fd00:203::2/64 dev eth0 nodad
ip -n "$cluster" address add 10.203.0.1/24 dev eth0
ip -n "$cluster" address add fd00:203::1/64 dev eth0 nodad

# app.py NAME ADDRESS PORT: HTTP; /slow takes two seconds. A name that begins with "speaker" says its name before it hears anything.
cat > "$work/app.py" << 'PYTHON'
import asyncio, sys
name, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])

async def serve_one(reader, writer):
    own, caller = writer.get_extra_info("sockname")[0], writer.get_extra_info("peername")[0]
    text = ("%s at %s from %s;" % (name, own, caller)).encode()
    if name.startswith("speaker"):
        writer.write(text + b"\n")
        await reader.read(1)
    else:
        while line := await reader.readline():
            while await reader.readline() not in (b"\r\n", b""): pass
            if b"/slow" in line: await asyncio.sleep(2)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text))
    writer.close()

async def serve():
    async with await asyncio.start_server(serve_one, address, port) as server:
        await server.serve_forever()

asyncio.run(serve())
PYTHON

cp -r "$bin/Mesh.Sidecar/release" "$work/program"
program=$work/program/Mesh.Sidecar
[ -z "${MESH_SIDECAR:-}" ] || { cp "$MESH_SIDECAR" "$work/program/native"; program=$work/program/native; }
mkdir "$work/rules" "$work/info"
printf 'app="orders"\nversion="v2"\n' > "$work/info/labels"
: > "$work/info/annotations"
service() { # NAME PROTOCOL PORT ADDRESS MAX_CONNECTIONS: a service of the pod, and its limits
  printf -- '---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: %s}\nspec:\n' "$1"
  printf '  hosts: [%s.test]\n  addresses: [10.203.0.20]\n  resolution: STATIC\n  ports: [{number: 1%s, name: port, protocol: %s}]\n  endpoints: [{address: "%s", ports: {port: %s}}]\n' "$1" "$3" "$2" "$4" "$3"
  printf -- '---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: %s}\nspec:\n' "$1"
  printf '  host: %s.test\n  trafficPolicy: {connectionPool: {tcp: {maxConnections: %s}, http: {http1MaxPendingRequests: 1}}}\n' "$1" "$5"
}
{ service orders HTTP 8080 10.203.0.2 1; service stock HTTP 9090 10.203.0.2 2; service feed TCP 9000 10.203.0.2 1; service six HTTP 8086 fd00:203::2 1; } > "$work/rules/rules.yaml"
chmod -R a+rX "$work"

python=/usr/bin/python3
for one in 'orders 0.0.0.0 8080' 'stock 10.203.0.2 9090' 'speaker-feed 0.0.0.0 9000' 'six :: 8086' 'speaker-unnamed 0.0.0.0 9001'; do
  run_in_pod "app-${one%% *}" 41338 "$python" "$work/app.py" $one
done
for port in 8080 9090 9000 8086 9001; do until_true 10 inside bash -c "exec 3<>/dev/tcp/$([ $port = 8086 ] && echo fd00:203::2 || echo 10.203.0.2)/$port" || exit 1; done
check "init" inside setpriv --bounding-set=-all,+net_admin,+net_raw --inh-caps=-all --no-new-privs env HOME=/tmp "$program" init
POD_IPS=10.203.0.2,fd00:203::2 run_in_pod sidecar 1337 "$program" run --pod orders-1.default --pod-info "$work/info" --rules "$work/rules"
check "the hook waits until the sidecar is ready" inside "$program" wait --timeout 20s

arrive() { outside curl -s -m 5 -w ' %{http_code}' "$@"; }
comes() { outside bash -c 'exec 3<>"/dev/tcp/$1/$2" && read -r -t 5 line <&3; echo "$line"' comes "$@"; }
stat() { inside curl -s http://127.0.0.1:15000/stats | awk -v name="$1: " 'index($0, name) == 1 { print $2 }'; }
# Of so many slow calls, how many are refused: those beyond the connections and the one that waits. One after the other: as in Envoy a call also waits while its connection is made.
refused() { # URL CALLS
  local i
  for ((i = 0; i < $2; i++)); do
    outside curl -s -m 10 -o /dev/null -w '%{http_code}\n' "$1" &
    sleep 0.3
  done | grep -c 503
}
check "a port, at the address that was dialled" says '^orders at 10.203.0.2 from 127.0.0.6; 200$' arrive http://10.203.0.2:8080/
check "another port, of an application that listens on the pod's address alone" says '^stock at 10.203.0.2 from 127.0.0.6; 200$' arrive http://10.203.0.2:9090/
check "a port over IPv6" says '^six at fd00:203::2 from ::6; 200$' arrive 'http://[fd00:203::2]:8086/'
check "a TCP port: the server speaks first" says '^speaker-feed at 10.203.0.2 from 127.0.0.6;' comes 10.203.0.2 9000
check "a port that no service has" says '^speaker-unnamed at 10.203.0.2 from 127.0.0.6;' comes 10.203.0.2 9001
check "one connection and one that waits: two of four are refused" says '^2$' refused http://10.203.0.2:8080/slow 4
check "the other port has its own limit: one of four is refused" says '^1$' refused http://10.203.0.2:9090/slow 4
# effect-of: DestinationRule trafficPolicy.connectionPool.tcp.maxConnections
held() { outside bash -c 'exec 3<>/dev/tcp/10.203.0.2/9000 && read -r -t 5 line <&3 && exec 4<>/dev/tcp/10.203.0.2/9000 && read -r -t 5 second <&4; echo "first: $line second: $second"'; }
check "a TCP port has one connection and no more" says '^first: speaker-feed .* second: $' held
check "refusals name the rule of their port" says '^< x-mesh-reason: .*rule=default/stock#' outside bash -c 'for i in 1 2 3 4; do curl -sv -m 10 -o /dev/null http://10.203.0.2:9090/slow 2>&1 & done; wait'
metrics() { outside curl -s http://10.203.0.2:15090/stats/prometheus | grep '^istio_requests_total'; }
check "requests are counted for the service of their port" says 'destination_workload="orders".*destination_version="v2".*destination_service="stock.test"' metrics
check "the agent answers on the pod's address" says '^LIVE' outside curl -s http://10.203.0.2:15020/healthz/ready
check "the admin pages do not" says '^000$' outside curl -s -m 2 -o /dev/null -w '%{http_code}' http://10.203.0.2:15000/clusters
check "no bug was met" says '^0$' stat server.unexpected_exception_total
check "the hook drains" inside "$program" drain
check "then it is not ready" says ' 503$' arrive http://10.203.0.2:15021/healthz/ready
kill "${pid[sidecar]}"
check "and SIGTERM ends it at once" wait "${pid[sidecar]}"
unset "pid[sidecar]"
done_checking
