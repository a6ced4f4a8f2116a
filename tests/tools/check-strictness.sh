#!/usr/bin/env bash
# Every refused and every odd but legal shape through a real sidecar, with nginx and with HAProxy behind it: a smuggled request would be a line of their access logs.
# With --write FILE (sidecar/strictness.md), what came back and what they saw goes there as Markdown tables.
write=
[ "${1:-}" = --write ] && write=$(realpath "$2")
. "$(dirname "$0")/lib.sh"

run_nginx() { # PORT LOG
  cat > "$work/nginx.conf" << CONF
daemon off; master_process off; pid $work/nginx.pid; error_log $work/nginx.err;
events {}
http {
  log_format line '\$request';
  access_log $2 line;
  client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi; uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
  server { listen 127.0.0.1:$1; location / { return 200 "ok"; } }
}
CONF
  nginx -c "$work/nginx.conf" -p "$work" 2>> "$work/nginx.err" &
  pid[nginx]=$!
}
run_haproxy() { # PORT LOG
  cat > "$work/haproxy.cfg" << CONF
global
  log stdout format raw local0
defaults
  mode http
  log global
  timeout client 30s
  timeout http-keep-alive 30s
  option dontlognull
frontend f
  bind 127.0.0.1:$1
  log-format "%HM %HU %HV"
  http-request return status 200 content-type text/plain string ok
CONF
  haproxy -db -f "$work/haproxy.cfg" >> "$2" 2>> "$work/haproxy.err" &
  pid[haproxy]=$!
}
answers() { curl -sf -m 2 "http://127.0.0.1:$1/up"; }
shapes() { # TEST TABLE [ADDRESS LOG]
  MESH_STRICT_TABLE=$2 MESH_STRICT_UPSTREAM=${3:-} MESH_STRICT_LOG=${4:-} \
    dotnet test tests/Mesh.Integration.Tests -c Release --no-build --filter "FullyQualifiedName~StrictnessTests.$1"
}

for upstream in nginx haproxy; do
  port=$(free_port "$upstream")
  : > "$work/$upstream.log"
  "run_$upstream" "$port" "$work/$upstream.log"
  until_true 10 answers "$port" || cat "$work/$upstream.err"
  check "$upstream behind the sidecar sees no request that was refused, and each legal one once" \
    shapes Requests "$work/$upstream.md" "127.0.0.1:$port" "$work/$upstream.log"
  check "$upstream was asked" grep -q '^GET /after-' "$work/$upstream.log"
  check "$upstream saw no hidden request" sh -c "! grep -E '^[A-Z]+ /hidden' '$work/$upstream.log'"
  stop "$upstream"
done
check "no refused answer reaches a client, and none is taken for the next" shapes Responses "$work/responses.md"

# One table of both runs: name, what came back, what each upstream saw.
tables() {
  echo "# What is refused, and what somebody else's server behind the sidecar saw of it"
  echo
  echo "Made by \`bash tests/tools/check-strictness.sh --write sidecar/strictness.md\` with $(nginx -v 2>&1 | sed 's/.*: //') and $(haproxy -v | sed -E '1!d; s/ version ([^ ]+).*/ \1/') as upstreams;"
  echo "the bytes are in \`tests/Mesh.Proxy.Tests/Http1/RefusedRequests.cs\`, \`AcceptedRequests.cs\`, \`RefusedResponses.cs\`. Many shapes hide a request \`GET /hidden\`: no upstream ever saw it."
  echo "\"Saw\" is the access log. A body that breaks after its head has gone on shows as one request that never became whole, answered early or cut off."
  echo
  awk -F ' [|] ' 'NR == FNR { saw[FNR] = $3; back[FNR] = $2; next }
    FNR == 1 { print "| request | what came back | nginx saw | HAProxy saw |"; next } FNR == 2 { print "|---|---|---|---|"; next }
    { both = back[FNR] == $2 ? $2 : back[FNR] " or " $2; sub(/ [|]$/, "", saw[FNR]); print $1 " | " both " | " saw[FNR] " | " $3 }' "$work/nginx.md" "$work/haproxy.md"
  echo
  cat "$work/responses.md"
}
if [ -n "$write" ] && [ "$failures" -eq 0 ]; then tables > "$write"; fi
done_checking
