#!/usr/bin/env bash
# The sidecar published natively: no warning, starts at once, stays small, serves, and passes the integration tests.
. "$(dirname "$0")/lib.sh"
export MESH_SIDECAR=$PWD/artifacts/native/publish/Mesh.Sidecar
rm -f "$MESH_SIDECAR"
check "native publish succeeds" bash tests/tools/publish-native.sh "$(dirname "$MESH_SIDECAR")"
cp "$work/last" "$work/publish"
check "native publish warns of nothing" sh -c "! grep -iE 'warning|error' '$work/publish'"
[ -x "$MESH_SIDECAR" ] || done_checking
check "lock files of the normal build are untouched" git diff --exit-code --stat -- '*packages.lock.json'
check "it is a program of its own, below 25 MB" sh -c "head -c4 '$MESH_SIDECAR' | grep -q ELF && [ \$(stat -c %s '$MESH_SIDECAR') -lt 25000000 ]"
check "--version" says '0\.1\.0' "$MESH_SIDECAR" --version
check "--help" says '--access-log-format' "$MESH_SIDECAR" --help

mkdir "$work/rules"
start app Mesh.Shop products --listen 127.0.0.1:0
app=$(address app products) || exit 1
any=127.0.0.1:0
port=$((30000 + RANDOM % 2000))
before=$(date +%s%N)
start sidecar Mesh.Sidecar run --rules "$work/rules" --service app:8080 --app "$app" \
  --inbound "127.0.0.1:$port" --outbound $any --admin $any --health $any --metrics $any --access-log "$work/access.json" --access-log-format json
for ((i = 0; i < 2000; i++)); do
  curl -sf "http://127.0.0.1:$port/product/2" > "$work/answer" && break
done
after=$(date +%s%N)
check "first proxied answer is right" grep -q '"id":2' "$work/answer"
admin=$(address sidecar admin)
for page in /help /clusters /config_dump /stats /stats/prometheus /outlier_events /ready /server_info; do
  check "admin page $page" curl -sfo /dev/null "http://$admin$page"
done
hey -n 2000 -c 8 "http://127.0.0.1:$port/product/2" > "$work/hey" 2>&1
check "hey: 2000 answers, all 200" grep -qE '\[200\][[:space:]]+2000 responses' "$work/hey"
check "access log is JSON, a line each" sh -c "sleep 2; [ \$(jq -c . '$work/access.json' | wc -l) -ge 2001 ]"
rss=$(awk '/^VmRSS/ { print $2 }' "/proc/${pid[sidecar]}/status")
echo "native: first proxied answer after $(((after - before) / 1000000)) ms, $rss KiB resident after the load"
check "resident memory below 60 MiB after the load" [ "$rss" -lt 61440 ]
check "no unexpected exception" sh -c "curl -sf 'http://$admin/stats/prometheus' | grep -E '^[a-z_]*unexpected_exception_total 0$'"
kill -TERM "${pid[sidecar]}"
wait "${pid[sidecar]}"
code=$?
unset 'pid[sidecar]'
check "ends on SIGTERM with 0" [ "$code" -eq 0 ]

check "the integration tests pass with it" dotnet test tests/Mesh.Integration.Tests -c Release --no-build
grep -E '^(Passed|Failed)! ' "$work/last"
done_checking
