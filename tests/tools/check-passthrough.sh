#!/usr/bin/env bash
# Connections that REDIRECT rules of the kernel bring to the sidecar, in a network namespace of its own: known services, unknown ones, PASSTHROUGH, REGISTRY_ONLY, loops.
# The sidecar runs under a user of its own, as in an injected pod, so that the rules leave its connections alone. Needs root.
# effect-of: DestinationRule trafficPolicy.loadBalancer.simple
# effect-of: ServiceEntry addresses
# effect-of: ServiceEntry resolution
. "$(dirname "$0")/lib.sh"
space=mesh-passthrough-$$
sidecar_user=41337
client_user=41338

finish() {
  cleanup
  ip netns del "$space" 2> /dev/null
  ip link del "mp$$" 2> /dev/null
}
trap finish EXIT

inside() { ip netns exec "$space" "$@"; }
run_as() { # USER COMMAND...
  local user=$1
  shift
  inside setpriv --reuid "$user" --regid "$user" --clear-groups "$@"
}

# "Elsewhere" is our end of the pair: 10.201.0.1 and further addresses, in the machine's own namespace. Inside: 10.201.0.2, the pod.
ip netns add "$space" || exit 1
ip link add "mp$$" type veth peer name eth0 netns "$space" || exit 1
inside ip link set lo up
inside ip address add 10.201.0.2/24 dev eth0
inside ip link set eth0 up
ip address add 10.201.0.1/24 dev "mp$$"
for last in 11 12 13; do ip address add "10.201.0.$last/32" dev "mp$$"; done
ip link set "mp$$" up
inside ip route add default via 10.201.0.1

# As in semantics 9.2, with two users in place of one.
nat() { inside iptables -w -t nat "$@"; }
nat -A PREROUTING -p tcp -j REDIRECT --to-ports 15006
nat -A OUTPUT -o lo -s 127.0.0.6/32 -j RETURN
nat -A OUTPUT -m owner --uid-owner "$sidecar_user" -j RETURN
nat -A OUTPUT -d 127.0.0.1/32 -j RETURN
nat -A OUTPUT -p tcp -m owner --uid-owner "$client_user" -j REDIRECT --to-ports 15001

server() { # NAME ADDRESS PORT: HTTP that answers with its name, the address it was called at and the caller's
  python3 -c '
import http.server, sys, time
name, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow": time.sleep(3)
        text = "%s at %s from %s;" % (name, self.connection.getsockname()[0], self.client_address[0])
        self.send_response(200); self.send_header("content-length", str(len(text))); self.end_headers(); self.wfile.write(text.encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer((address, port), Handler).serve_forever()' "$@"
}
speaker() { # ADDRESS PORT: speaks first, as databases and mail servers do
  python3 -c '
import socketserver, sys
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(("ready at %s;" % self.request.getsockname()[0]).encode())
        self.request.recv(1)
class Server(socketserver.ThreadingTCPServer): allow_reuse_address = True
Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()' "$@"
}
server elsewhere 0.0.0.0 18080 2> "$work/elsewhere.err" &
pid[elsewhere]=$!
speaker 0.0.0.0 13306 2> "$work/speaker.err" &
pid[speaker]=$!
server application 10.201.0.2 8080 2> "$work/application.err" < /dev/null &
