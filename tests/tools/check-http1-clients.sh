#!/usr/bin/env bash
# HTTP/1.1 clients that nobody here wrote, well-behaved and hostile ones, through a real sidecar to node's HTTP server.
. "$(dirname "$0")/lib.sh"
export NODE_PATH=$tools/node_modules
node tests/tools/echo-server.cjs > "$work/echo.log" 2> "$work/echo.err" &
pid[echo]=$!
app=$(address echo echo) || exit 1
mkdir "$work/rules"
any=127.0.0.1:0
start sidecar Mesh.Sidecar run --rules "$work/rules" --service echo:8080 --app "$app" \
  --inbound $any --outbound $any --admin $any --health $any --metrics $any --access-log "$work/access.json" --access-log-format json
inbound=$(address sidecar inbound) && admin=$(address sidecar admin) || exit 1
url=http://$inbound
gauge() { curl -sf "http://$admin/stats/prometheus" | awk -v name="$1" '$1 ~ "^"name"[{]?" { n += $NF } END { print n + 0 }'; }
descriptors() { ls -l "/proc/${pid[sidecar]}/fd" | grep -vc '\.dll$'; } # assemblies stay open once loaded
get() { curl -s -m 20 "$@"; }
until_true 20 get -f "$url/"
get "$url/bytes/1000000" > "$work/warm"
baseline=$(descriptors)

check "curl: GET carries method, path and Host" says '"method":"GET","url":"/a\?b=c".*"host":"shop\.example"' get -H 'host: shop.example' "$url/a?b=c"
check "curl: HEAD has the length and no body" says 'ength: 12345' get -I "$url/bytes/12345"
check "curl: HTTP/1.0 gets its answer and the end of the connection" says '"method":"GET"' get --http1.0 "$url/"
check "curl: HTTP/1.0 gets no chunks" says '^0$' sh -c "curl -s -m 20 --http1.0 -D - '$url/chunks/3' | grep -ci '^transfer-encoding'"
check "curl: HTTP/1.0 chunked answer arrives whole" says '^chunk 9$' get --http1.0 "$url/chunks/10"
check "curl --raw: chunks end with the last chunk" says '^0' get --raw "$url/chunks/3"
check "curl: chunks arrive whole" says '^chunk 99$' get "$url/chunks/100"
check "curl --path-as-is: no dot segment passes" says '"url":"/b"' get --path-as-is "$url/a/../b"
check "curl --path-as-is: none climbs above the root" says '"url":"/b"|^$' get --path-as-is "$url/../../b"
check "curl: two addresses on one connection" says 'Re-using existing connection' curl -sv -m 20 "$url/1" "$url/2"
check "curl: a request with Connection: close ends it" says '[Cc]onnection: close' get -D - -o /dev/null -H 'connection: close' "$url/"
check "curl: OPTIONS and a method of one's own" says '"method":"REPORT"' get -X REPORT "$url/"

head -c 50000000 /dev/urandom > "$work/big"
sum=$(sha256sum < "$work/big" | cut -d' ' -f1)
check "curl: 50 MB up with Content-Length, same bytes" says "^$sum 50000000 length" get -T "$work/big" -H 'expect:' "$url/sum"
check "curl: 50 MB up in chunks, same bytes" says "^$sum 50000000 chunked" sh -c "curl -s -m 20 -T - -H expect: '$url/sum' < '$work/big'"
check "curl: Expect: 100-continue is answered before the body" says '100 Continue' curl -sv -m 20 -T "$work/big" -H 'expect: 100-continue' --expect100-timeout 15 "$url/sum"
check "curl: 200 MB down, same bytes" sh -c "
  [ \$(curl -s -m 60 '$url/bytes/200000000' | sha256sum | cut -c-64) = \$(curl -s -m 60 'http://$app/bytes/200000000' | sha256sum | cut -c-64) ]"
check "curl: 50 downloads at once" sh -c "curl -s -m 60 -Z --parallel-max 50 '$url/bytes/100000/[1-50]' | wc -c | grep -qx 5000000"

timeout 60 hey -n 3200 -c 16 "$url/" > "$work/hey" 2>&1
check "hey: 3200 answers, all 200" grep -qE '\[200\][[:space:]]+3200 responses' "$work/hey"
timeout 60 hey -n 800 -c 8 -disable-keepalive "$url/" > "$work/hey" 2>&1
check "hey without keep-alive: 800 answers, all 200" grep -qE '\[200\][[:space:]]+800 responses' "$work/hey"
timeout 60 h2load --h1 -n 5000 -c 16 "$url/" > "$work/h2load" 2>&1
check "h2load --h1: 5000 of 5000 succeed" grep -q '5000 succeeded, 0 failed, 0 errored, 0 timeout' "$work/h2load"
timeout 60 h2load --h1 -n 2000 -c 4 -m 8 -d "$work/warm" "$url/sum" > "$work/h2load" 2>&1
check "h2load --h1: 2000 uploads of 1 MB succeed" grep -q '2000 succeeded, 0 failed, 0 errored, 0 timeout' "$work/h2load"
timeout 60 wrk -t2 -c32 -d4s "$url/bytes/1024" > "$work/wrk" 2>&1
check "wrk: requests went through, none wrong" sh -c "grep -qE '[1-9][0-9]* requests in' '$work/wrk' && ! grep -E 'Socket errors|Non-2xx' '$work/wrk'"
HOME=$work timeout 60 siege -b -c8 -t4S "$url/" > "$work/siege" 2>&1
check "siege: availability 100" grep -qE '[Aa]vailability.*100\.00' "$work/siege"

for what in echo ping mebibyte many client-close server-close; do
  check "ws: $what" node tests/tools/ws-client.cjs "ws://$inbound/socket" "$what"
done

# Others are served while somebody holds hundreds of connections half-way.
slow() { # NAME OPTIONS...
  local name=$1 asked=0 answered=0
  shift
  timeout 60 slowhttptest -c 300 -r 150 -l 10 -p 3 -u "$url/bytes/1000000" "$@" > "$work/slow" 2>&1 &
  pid[slow]=$!
  while kill -0 "${pid[slow]}" 2> /dev/null; do
    asked=$((asked + 1))
    curl -sfo /dev/null -m 2 "$url/" && answered=$((answered + 1))
    sleep 0.2
  done
  wait "${pid[slow]}"
  unset 'pid[slow]'
  check "slowhttptest $name: it says that the service was available" grep -qE 'service available:.*YES' "$work/slow"
  check "slowhttptest $name: $answered of $asked others were answered within 2 s" [ "$answered" -eq "$asked" ]
}
slow "slow heads" -H -i 3 -x 24
slow "slow bodies" -B -i 3 -s 8192 -x 10
slow "slow reads" -X -w 10 -y 20 -n 3 -z 32 -k 2

quiet() { [ "$(descriptors)" -le $((baseline + 8)) ] && [ "$(gauge envoy_http_downstream_rq_active)" -eq 0 ]; }
check "all of it let go of its descriptors and requests" until_true 60 quiet
quiet || echo "descriptors $(descriptors), at first $baseline; active $(gauge envoy_http_downstream_rq_active)"
check "no unexpected exception" sh -c "curl -sf 'http://$admin/stats/prometheus' | grep -E '^[a-z_]*unexpected_exception_total 0$'"
check "the access log is JSON to its last line" sh -c "tail -n 1000 '$work/access.json' | jq -c . > /dev/null"
done_checking
