#!/usr/bin/env bash
# A ServiceEntry with resolution DNS against a real nameserver (dnsmasq) on loopback: NXDOMAIN at start, then a record, a changed record, IPv6, and no server at all.
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
call() { curl -s -m 5 -x "http://$outbound" -w '%{http_code}' "http://${1:-api.test}/"; }
says() { [[ $(call) == "$1" ]]; }
unknown() { [[ $(call) == *503 ]]; }
flagged() { grep -q ' 503 UH ' "$work/access.log"; }
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
YAML
resolver other.test,127.0.0.9
start sidecar Mesh.Sidecar run --rules "$work/rules" --dns "127.0.0.1:$port" --access-log "$work/access.log" \
  --outbound 127.0.0.1:0 --inbound 127.0.0.1:0 --admin 127.0.0.1:0 --health 127.0.0.1:0 --metrics 127.0.0.1:0
outbound=$(address sidecar outbound) || exit 1

check "a name that does not exist is answered 503" until_true 5 unknown
check "the access log says UH" until_true 5 flagged
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
done_checking
