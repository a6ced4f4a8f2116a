#!/usr/bin/env bash
# Names in rules and in requests against a real nameserver (dnsmasq) on loopback: NXDOMAIN at start, then a record, a changed record, IPv6, no server at all;
# happy eyeballs, DYNAMIC_DNS, and hosts that no rule names.
# effect-of: ServiceEntry resolution
. "$(dirname "$0")/lib.sh"
tool=$(command -v dnsmasq || echo /usr/sbin/dnsmasq)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

# effect-of: ServiceEntry resolution
resolver() { # RECORDS...: starts the nameserver anew with these records, each good for a second
  stop dns
  local options=()
  for record in "$@"; do options+=("--host-record=$record,1"); done
  "$tool" --keep-in-foreground --no-resolv --no-hosts --local=/test/ --conf-file=/dev/null --pid-file= --port="$port" --bind-interfaces \
    --listen-address=127.0.0.1 "${options[@]}" > "$work/dns.log" 2>&1 &
  pid[dns]=$!
}
upstream() { # NAME ADDRESS PORT: answers every request with its name
  python3 -c '
import http.server, socket, sys
name, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", str(len(name))); self.end_headers(); self.wfile.write(name.encode())
    def log_message(self, *_): pass
Server((address, port), Handler).serve_forever()' "$1" "$2" "$3" 2> "$work/$1.err" &
  pid[$1]=$!
}
silent() { # ADDRESS PORT: listens, but its queue is full: whoever connects gets no answer at all
  python3 -c '
import socket, sys, time
server = socket.socket(); server.bind((sys.argv[1], int(sys.argv[2]))); server.listen(0)
fillers = [socket.socket() for _ in range(4)]
for filler in fillers: filler.setblocking(False); filler.connect_ex((sys.argv[1], int(sys.argv[2])))
time.sleep(600)' "$1" "$2" &
  pid[silent]=$!
}
call() { curl -s -m 5 -x "http://$outbound" -w '%{http_code}' "http://${1:-api.test}/"; }
says() { [[ $(call "${2:-}") == "$1" ]]; }
soon() { # ANSWER HOST: within two seconds, so not after a connect timeout
  [[ $(curl -s -m 2 -x "http://$outbound" -w '%{http_code}' "http://$2/") == "$1" ]]
}
tunnelled() { [[ $(curl -s -m 5 -p -x "http://$outbound" -w '%{http_code}' "http://$2/") == "$1" ]]; }
shown() { curl -s "http://$admin/$1" | grep -q "$2"; }
unknown() { [[ $(call) == *503 ]]; }
flagged() { grep -q " 503 $1 " "$work/access.log"; }
steady() { local i; for ((i = 0; i < 50; i++)); do says "$1" || return 1; sleep 0.1; done; }

back=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
upstream one 127.0.0.1 "$back"
upstream two 127.0.0.2 "$back"
upstream six ::1 "$back"
mkdir "$work/rules"
cat > "$work/rules/api.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: api
spec:
  hosts: [api.test]
  ports:
  - number: 80
    name: web
    protocol: HTTP
    targetPort: $back
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: families
spec:
  hosts: [silent.test, refused.test]
  ports:
  - number: 80
    name: web
    protocol: HTTP
    targetPort: $back
  resolution: DNS_ROUND_ROBIN
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: dynamic
spec:
  hosts: ["*.dyn.test"]
  ports:
  - number: 80
    name: web
    protocol: HTTP
    targetPort: $back
  resolution: DYNAMIC_DNS
YAML
resolver other.test,127.0.0.9
start sidecar Mesh.Sidecar run --rules "$work/rules" --dns "127.0.0.1:$port" --access-log "$work/access.log" \
  --outbound 127.0.0.1:0 --inbound 127.0.0.1:0 --admin 127.0.0.1:0 --health 127.0.0.1:0 --metrics 127.0.0.1:0
outbound=$(address sidecar outbound) || exit 1
admin=$(address sidecar admin) || exit 1

check "a name that does not exist is answered 503" until_true 5 unknown
check "the access log says UH" until_true 5 flagged UH
check "the admin page says why" shown clusters 'api.test::dns_problem::dns: NXDOMAIN for api.test'
resolver api.test,127.0.0.1
check "the name appears: requests go there, no later than the longest pause" until_true 70 says one200
resolver api.test,127.0.0.2
check "the record changes: traffic follows" until_true 20 says two200
resolver api.test,::1
check "only an IPv6 address is left: traffic follows" until_true 20 says six200
stop dns
check "no nameserver for five seconds: the last good address stays, no request fails" steady six200
resolver api.test,127.0.0.1
check "the nameserver is back: its answer counts again" until_true 70 says one200
check "failed refreshes are counted" shown stats 'api.test;.update_failure: [1-9]'

silent 127.0.0.8 "$back"
families=(silent.test,127.0.0.8,::1 refused.test,127.0.0.9,::1)
resolver api.test,127.0.0.1 "${families[@]}" x.dyn.test,127.0.0.1 y.dyn.test,127.0.0.2 who.test,127.0.0.2 who2.test,127.0.0.1
until_true 70 says six200 refused.test
check "the IPv4 address refuses: the IPv6 address answers" soon six200 refused.test
until_true 70 says six200 silent.test
check "the IPv4 address is silent: the IPv6 address answers long before the connect timeout" soon six200 silent.test
check "a name below a wildcard is resolved when it is asked for" says one200 x.dyn.test
check "and so is the next" says two200 y.dyn.test
check "a name below a wildcard that does not exist is answered 503" says 'DNS resolution failure503' no.dyn.test
check "the access log says DF" until_true 5 flagged DF
check "a host that no rule names passes" says two200 "who.test:$back"
check "through CONNECT too" tunnelled two200 "who.test:$back"
check "its calls are counted under PassthroughCluster" shown stats '^cluster.PassthroughCluster|dns.*upstream_rq_200: [1-9]'
check "a name that leads to the sidecar itself is refused" says 502 "who2.test:${outbound##*:}"
done_checking
