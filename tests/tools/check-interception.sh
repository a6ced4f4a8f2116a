#!/usr/bin/env bash
# The rules that `mesh-sidecar init` writes, in the network namespace of a pod: what the application sends and what it gets goes through the sidecar, nothing else does, and
# afterwards the tables are as before. The application is another user; init has NET_ADMIN and NET_RAW alone. The sidecar is user 1337 without a capability; for TPROXY it is
# root of group 1337 with NET_ADMIN alone, as the injector writes it. Needs root.
# effect-of: DestinationRule trafficPolicy.connectionPool.tcp.maxConnections
. "$(dirname "$0")/lib.sh"
pod=mesh-pod-$$
cluster=mesh-cluster-$$
app_user=41338

finish() {
  cleanup
  ip netns del "$pod" 2> /dev/null # and with it the pair
  ip netns del "$cluster" 2> /dev/null
}
trap finish EXIT

inside() { ip netns exec "$pod" "$@"; }
outside() { ip netns exec "$cluster" "$@"; }
as_app() { inside setpriv --reuid "$app_user" --regid "$app_user" --clear-groups "$@"; }
run_in() { # SPACE NAME COMMAND...
  local space=$1 name=$2
  shift 2
  : > "$work/$name.log"
  ip netns exec "$space" "$@" > "$work/$name.log" 2> "$work/$name.err" &
  pid[$name]=$!
}

# The pod is .2, the cluster .1 and some addresses more; .20 and .21 are addresses of services, which nobody has.
ip netns add "$pod" && ip netns add "$cluster" && ip -n "$pod" link add eth0 type veth peer name eth0 netns "$cluster" || exit 1
for space in "$pod" "$cluster"; do
  ip -n "$space" link set eth0 addrgenmode none # no address that comes later by itself, among what is compared
  ip -n "$space" link set lo up && ip -n "$space" link set eth0 up
done
ip -n "$pod" address add 10.202.0.2/24 dev eth0
ip -n "$pod" address add fd00:202::2/64 dev eth0 nodad
ip -n "$pod" route add default via 10.202.0.1
ip -n "$pod" -6 route add default via fd00:202::1
for last in 1 12 13; do ip -n "$cluster" address add "10.202.0.$last/24" dev eth0; done
ip -n "$cluster" address add fd00:202::1/64 dev eth0 nodad

# peer.py KIND NAME ADDRESS PORT: web tells who it is, where it was called and by whom; speaker says the same before it hears anything; echo gives back. web takes its time for /slow.
cat > "$work/peer.py" << 'PYTHON'
import asyncio, http.server, socket, sys, time
kind, name, address, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow": time.sleep(2)
        text = b"%s at %s from %s;" % (name.encode(), self.connection.getsockname()[0].encode(), self.client_address[0].encode())
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_): pass

class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

async def speak(reader, writer):
    writer.write(("%s at %s from %s;\n" % (name, writer.get_extra_info("sockname")[0], writer.get_extra_info("peername")[0])).encode())
    await reader.read(1)
    writer.close()

async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line)
    writer.close()

async def serve():
    async with await asyncio.start_server(speak if kind == "speaker" else echo, address, port, backlog=2048) as server:
        await server.serve_forever()

if kind == "web": Server((address, port), Web).serve_forever()
else: asyncio.run(serve())
PYTHON
# many.py ADDRESS PORT COUNT: so many connections, all open before the first is used; each must get back what it sent.
cat > "$work/many.py" << 'PYTHON'
import asyncio, sys
address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

async def use(number, pair):
    pair[1].write(b"%d\n" % number)
    return await pair[0].readline() == b"%d\n" % number

async def main():
    pairs = await asyncio.gather(*(asyncio.open_connection(address, port) for _ in range(count)))
    right = sum(await asyncio.gather(*(use(number, pair) for number, pair in enumerate(pairs))))
    print("%d of %d" % (right, count))

asyncio.run(asyncio.wait_for(main(), 60))
PYTHON

# The program and the files where their users may read them.
cp -r "$bin/Mesh.Sidecar/release" "$work/program"
program=$work/program/Mesh.Sidecar
[ -z "${MESH_SIDECAR:-}" ] || { cp "$MESH_SIDECAR" "$work/program/native"; program=$work/program/native; }
mkdir "$work/rules"
entry() { # NAME ADDRESS PORT PROTOCOL ENDPOINT: a ServiceEntry
  printf -- '---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: %s}\nspec:\n' "$1"
  printf '  hosts: [%s.test]\n  addresses: ["%s"]\n  resolution: STATIC\n  ports: [{number: %s, name: port, protocol: %s}]\n  endpoints: [{address: "%s"%s}]\n' \
    "$1" "$2" "$3" "$4" "$5" "${6:+, ports: {port: $6\}}"
}
{
  entry shop 10.202.0.20 80 HTTP 10.202.0.1 18080
  entry six fd00:202::20 80 HTTP fd00:202::1 18081
  entry database 10.202.0.20 13306 TCP 10.202.0.1
  entry me 10.202.0.21 80 HTTP 10.202.0.2 8080
  entry me-six fd00:202::21 80 HTTP fd00:202::2 8086
  printf -- '---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: me}\nspec: {host: me.test, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}}\n'
} > "$work/rules/rules.yaml"
chmod -R a+rX "$work"
mkdir -m 777 "$work/logs"

python=/usr/bin/python3 # one that every user may run
run_in "$cluster" far "$python" "$work/peer.py" web far 0.0.0.0 18080
run_in "$cluster" far6 "$python" "$work/peer.py" web far6 :: 18081
run_in "$cluster" database "$python" "$work/peer.py" speaker database 0.0.0.0 13306
run_in "$cluster" excluded "$python" "$work/peer.py" speaker excluded 0.0.0.0 13399
run_in "$cluster" echo "$python" "$work/peer.py" echo echo 0.0.0.0 13307
app() { # NAME KIND ADDRESS PORT
  run_in "$pod" "$1" setpriv --reuid "$app_user" --regid "$app_user" --clear-groups "$python" "$work/peer.py" "$2" "$1" "$3" "$4"
}
app app web 0.0.0.0 8080
app app6 web fd00:202::2 8086
app left-alone web 0.0.0.0 8099
app speaker speaker 0.0.0.0 9000
app echoes echo 0.0.0.0 9001
app mysql speaker 0.0.0.0 3306

# A rule of somebody else in the same table, which must stay, and two that count what leaves the pod without the sidecar.
inside iptables -w -t nat -A PREROUTING -p tcp --dport 4444 -j REDIRECT --to-ports 8080
inside ip6tables -w -t nat -A PREROUTING -p tcp --dport 4444 -j REDIRECT --to-ports 8080
inside iptables -w -t mangle -A POSTROUTING -o eth0 -p tcp --syn ! -d 10.202.0.12 -m owner ! --gid-owner 1337 -m multiport ! --dports 13399 -m comment --comment escaped
inside ip6tables -w -t mangle -A POSTROUTING -o eth0 -p tcp --syn -m owner ! --gid-owner 1337 -m comment --comment escaped
tables() { # without the counters of chains and the times of comments
  { inside iptables-save; inside ip6tables-save; inside ip -6 -o address show dev lo; inside ip rule; inside ip -6 rule
    inside ip route show table all; inside ip -6 route show table all; } | grep -v '^#' | sed -E 's/ \[[0-9]+:[0-9]+\]$//'
}
tables > "$work/before"

init() {
  inside setpriv --bounding-set=-all,+net_admin,+net_raw --inh-caps=-all --no-new-privs env HOME=/tmp "$program" init --mode "$mode" --exclude-inbound-ports 8099 \
    --exclude-outbound-ports 13399 --exclude-outbound-ip-ranges 10.202.0.12/32 "$@"
}
start_sidecar() { # SERVICE:PORT APP OPTIONS...: in front of one application, or for TPROXY of the pod
  local user=(--reuid 1337 --bounding-set=-all) front=(--service "$1" --app "$2")
  [ "$mode" = REDIRECT ] || user=(--reuid 0 --bounding-set=-all,+net_admin) front=(--pod app.default --pod-ips 10.202.0.2,fd00:202::2)
  run_in "$pod" sidecar setpriv "${user[@]}" --regid 1337 --clear-groups --inh-caps=-all --no-new-privs env HOME=/tmp \
    "$program" run --rules "$work/rules" "${front[@]}" "${@:3}" --interception "${mode,,}" --access-log "$work/logs/$mode.log" --outbound '[::]:15001' --inbound '[::]:15006' \
    --agent '[::]:15020' --app-probers '{"/app-health/app/livez": {"httpGet": {"path": "/", "port": 8080}}}' --admin 127.0.0.1:15000 --health '[::]:15021' --metrics '[::]:15090'
  address sidecar outbound > /dev/null && until_true 10 inside curl -sf http://127.0.0.1:15021/healthz/ready
}
for target in 127.0.0.1:8080 127.0.0.1:8099 '[fd00:202::2]:8086'; do until_true 10 inside curl -s -m 1 "http://$target/" || exit 1; done
for target in 127.0.0.1:18080 '[::1]:18081'; do until_true 10 outside curl -s -m 1 "http://$target/" || exit 1; done

call() { as_app curl -s -m 5 -w ' %{http_code}' "$@"; }
arrive() { outside curl -s -m 5 -w ' %{http_code}' "$@"; }
listen() { bash -c 'exec 3<>"/dev/tcp/$1/$2" && read -r -t 5 line <&3; echo "$line"' listen "$@"; }
export -f listen
hears() { as_app bash -c 'listen "$@"' hears "$@"; }
comes() { outside bash -c 'listen "$@"' comes "$@"; }
stat() { inside curl -s http://127.0.0.1:15000/stats | awk -v name="$1: " 'index($0, name) == 1 { print $2 }'; }
through() { # OUTBOUND INBOUND PATTERN COMMAND...: the command's output has the pattern, and so many connections went through each side
  local out in
  out=$(($(stat http.outbound.downstream_cx_total) + $1)) in=$(($(stat http.inbound.downstream_cx_total) + $2))
  says "$3" "${@:4}" || return 1
  [ "$(stat http.outbound.downstream_cx_total)" -eq "$out" ] && [ "$(stat http.inbound.downstream_cx_total)" -eq "$in" ] && return 0
  echo "outbound $(stat http.outbound.downstream_cx_total), wanted $out; inbound $(stat http.inbound.downstream_cx_total), wanted $in"
  return 1
}
closed() { # COUNTER ADDRESS PORT: a connection from outside gets no byte, and is counted
  local before
  before=$(stat "$1")
  says '^000$' outside curl -s -m 5 -o /dev/null -w '%{http_code}' "http://$2:$3/" || return 1
  [ "$(stat "$1")" -gt "$before" ]
}
# Two clients at once, and one connection to the application: the second waits, and then it is served in its own name.
shares_one() {
  local first code=0
  arrive --interface 10.202.0.1 http://10.202.0.2:8080/slow > "$work/first" &
  first=$!
  until_true 5 is_at upstream_rq_active 1 || code=1
  arrive --interface 10.202.0.13 http://10.202.0.2:8080/ > "$work/second" &
  local second=$!
  until_true 2 is_at upstream_rq_pending_active 1 || code=1
  is_at upstream_cx_active 1 || code=1
  wait "$first" "$second"
  grep -q 'from 10.202.0.1; 200$' "$work/first" && grep -q 'from 10.202.0.13; 200$' "$work/second" && return "$code"
  cat "$work/first" "$work/second"
  return 1
}
is_at() { [ "$(stat "cluster.inbound|8080||;.$1")" = "$2" ] || { echo "$1: $(stat "cluster.inbound|8080||;.$1")"; return 1; }; }
is_gone() { ! inside curl -s -m 1 http://127.0.0.1:15021/healthz/ready; }
# Of the two calls of its own services the sidecar keeps a connection each, to itself.
idle() { [ "$(stat http.outbound.downstream_cx_active)" -eq 0 ] && [ "$(stat http.inbound.downstream_cx_active)" -eq 2 ]; }
escaped() { { inside iptables -w -t mangle -nvxL POSTROUTING; inside ip6tables -w -t mangle -nvxL POSTROUTING; } | awk '/escaped/ { n += $1 } END { print n + 0 }'; }

in_mode() { # REDIRECT|TPROXY: from the first rule to the last
mode=$1
# Whom the application sees: the sidecar, or in TPROXY mode its client; as caller of its own service itself.
caller=127.0.0.6 caller6=::6 itself=127.0.0.6 itself6=::6
[ "$mode" = REDIRECT ] || caller=10.202.0.1 caller6=fd00:202::1 itself=10.202.0.2 itself6=fd00:202::2
check "$mode: init with NET_ADMIN and NET_RAW alone" init
tables > "$work/once-$mode"
check "$mode: init a second time" init
check "$mode: changes nothing" diff "$work/once-$mode" <(tables)
start_sidecar app:8080 10.202.0.2:8080 || exit 1

check "$mode: outbound HTTP by the address of a service" through 1 0 '^far at 10.202.0.1 from 10.202.0.2; 200$' call http://10.202.0.20/
check "$mode: outbound HTTP to nobody's address" through 1 0 '^far at 10.202.0.13 from 10.202.0.2; 200$' call http://10.202.0.13:18080/
check "$mode: outbound TCP by the address of a service; the server speaks first" through 1 0 '^database at 10.202.0.1 from' hears 10.202.0.20 13306
check "$mode: outbound TCP to nobody's address; the server speaks first" through 1 0 '^database at 10.202.0.13 from' hears 10.202.0.13 13306
check "$mode: outbound IPv6 by the address of a service" through 1 0 '^far6 at fd00:202::1 from fd00:202::2; 200$' call 'http://[fd00:202::20]/'
check "$mode: outbound IPv6 to nobody's address" through 1 0 '^far6 at fd00:202::1 from fd00:202::2; 200$' call 'http://[fd00:202::1]:18081/'
check "$mode: inbound HTTP comes from $caller" through 0 1 "^app at 10.202.0.2 from $caller; 200$" arrive http://10.202.0.2:8080/
check "$mode: its client is known" grep -qE '"GET / HTTP/1.1" 200 .* 10.202.0.2:8080 10.202.0.1:' "$work/logs/$mode.log"
check "$mode: inbound IPv6 comes from $caller6" through 0 1 "^app6 at fd00:202::2 from $caller6; 200$" arrive 'http://[fd00:202::2]:8086/'
check "$mode: inbound TCP comes from $caller; the server speaks first" through 0 1 "^speaker at 10.202.0.2 from $caller;" comes 10.202.0.2 9000
[ "$mode" = REDIRECT ] || check "$mode: a limit of the application's connections holds over all clients" shares_one
check "$mode: loopback is not captured" through 0 0 '^app at 127.0.0.1 from 127.0.0.1; 200$' call http://127.0.0.1:8080/
check "$mode: nor is the application's call of its own address" through 0 0 '^app at 10.202.0.2 from 10.202.0.2; 200$' call http://10.202.0.2:8080/
check "$mode: nor its call of its own IPv6 address" through 0 0 '^app6 at fd00:202::2 from fd00:202::2; 200$' call 'http://[fd00:202::2]:8086/'
check "$mode: a call of its own service goes through each side once" through 1 1 "^app at 10.202.0.2 from $itself; 200$" call http://10.202.0.21/
check "$mode: a call of its own service over IPv6 goes through each side once" through 1 1 "^app6 at fd00:202::2 from $itself6; 200$" call 'http://[fd00:202::21]/'
check "$mode: an excluded range is left alone" through 0 0 '^far at 10.202.0.12 from 10.202.0.2; 200$' call http://10.202.0.12:18080/
check "$mode: an excluded outbound port is left alone" through 0 0 '^excluded at 10.202.0.13 from 10.202.0.2;' hears 10.202.0.13 13399
check "$mode: an excluded inbound port is left alone" through 0 0 '^left-alone at 10.202.0.2 from 10.202.0.1; 200$' arrive http://10.202.0.2:8099/
check "$mode: health and metrics are asked from outside" through 0 0 '^LIVE' outside curl -s http://10.202.0.2:15021/healthz/ready
check "$mode: a probe of kubelet's reaches the application past the sidecar" through 0 0 ' 200$' arrive http://10.202.0.2:15020/app-health/app/livez
check "$mode: nobody outside ends the sidecar" through 0 0 ' 403$' arrive -d '' http://10.202.0.2:15020/quitquitquit
check "$mode: a connection straight at 15001 is closed and counted" closed "http.inbound.downstream_cx_$([ "$mode" = TPROXY ] && echo not_redirected || echo loop)" 10.202.0.2 15001
check "$mode: a connection straight at 15006 is closed and counted" closed http.inbound.downstream_cx_not_redirected 10.202.0.2 15006
check "$mode: a connection straight at 15006 over IPv6 is closed and counted" closed http.inbound.downstream_cx_not_redirected '[fd00:202::2]' 15006
check "$mode: 1,000 connections at once, outbound" through 1000 0 '^1000 of 1000$' as_app "$python" "$work/many.py" 10.202.0.13 13307 1000
check "$mode: 1,000 connections at once, inbound" through 0 1000 '^1000 of 1000$' outside "$python" "$work/many.py" 10.202.0.2 9001 1000
check "$mode: all of them end" until_true 10 idle
check "$mode: nothing of the application's left the pod but through the sidecar" says '^0$' escaped
check "$mode: no bug was met" says '^0$' stat server.unexpected_exception_total
stop sidecar

start_sidecar mysql:3306 10.202.0.2:3306 || exit 1
check "$mode: inbound, a known port where servers speak first" through 0 1 "^mysql at 10.202.0.2 from $caller;" comes 10.202.0.2 3306
stop sidecar

start_sidecar app:8080 10.202.0.2:8080 --drain-time 30s || exit 1
check "$mode: /drain from the pod" says ' 200$' call -d '' http://127.0.0.1:15020/drain
check "$mode: a drained sidecar is not ready" says '503$' arrive http://10.202.0.2:15020/healthz/ready
check "$mode: answers of its application close their connections" says '^< connection: close' outside curl -sv -m 5 http://10.202.0.2:8080/
check "$mode: calls of its application go on" says '^far at 10.202.0.1 from 10.202.0.2; 200$' call http://10.202.0.20/
kill "${pid[sidecar]}"
check "$mode: SIGTERM then ends it at once" until_true 5 is_gone
stop sidecar

check "$mode: init --clean" init --clean
check "$mode: the tables are as before" diff "$work/before" <(tables)
check "$mode: init --clean where nothing is left" init --clean
check "$mode: and traffic goes its own way" says '^app at 10.202.0.2 from 10.202.0.1; 200$' arrive http://10.202.0.2:8080/
}

in_mode REDIRECT
in_mode TPROXY

# From one mode to the other, and what the machine must not be touched for.
mode=TPROXY
init > /dev/null && tables > "$work/tproxy"
says_tproxy() { for line in 'TPROXY --on-port 15006' 'MESH_INBOUND' 'fwmark 1337 lookup 133'; do says "$line" init --dry-run || return 1; done; }
check "init --dry-run says tables and routes" says_tproxy
check "and changes nothing" diff "$work/tproxy" <(tables)
mode=REDIRECT
init > /dev/null
check "REDIRECT after TPROXY leaves nothing of it" diff "$work/once-REDIRECT" <(tables)
mode=TPROXY
init > /dev/null
check "TPROXY after REDIRECT leaves nothing of it" diff "$work/tproxy" <(tables)
init --clean > /dev/null
check "the tables are as in the beginning" diff "$work/before" <(tables)
done_checking
