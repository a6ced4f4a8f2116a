#!/usr/bin/env bash
# TLS, PROXY protocol and tunnels of one sidecar towards servers that nobody here wrote: nginx, HAProxy, tinyproxy, with a private CA made by openssl.
. "$(dirname "$0")/lib.sh"
trap 'stop nginx; cleanup' EXIT # by SIGTERM: killed, it would leave its workers behind
pki=$work/pki
mkdir "$work/rules" "$pki" "$work/nginx"

authority() { # NAME
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign,cRLSign -keyout "$pki/$1.key" -out "$pki/$1.pem" 2> /dev/null
}
certificate() { # AUTHORITY FILE NAME
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$3" -keyout "$pki/$2.key" -out "$pki/$2.csr" 2> /dev/null
  openssl x509 -req -in "$pki/$2.csr" -CA "$pki/$1.pem" -CAkey "$pki/$1.key" -CAcreateserial -days 30 \
    -extfile <(echo "subjectAltName=DNS:$3") -out "$pki/$2.pem" 2> /dev/null
  cat "$pki/$2.pem" "$pki/$2.key" > "$pki/$2.both" # as HAProxy wants it
}
authority private
authority stranger
certificate private server partner.test
certificate private me client-one
certificate stranger intruder client-of-a-stranger
cp "$pki/private.pem" "$pki/trusted.pem" # the files that change
cp "$pki/me.pem" "$pki/client.pem"
cp "$pki/me.key" "$pki/client.key"
cp "$pki/server.pem" "$pki/nginx.pem"

for name in tls mutual plain proxied haproxy strict haproxied web tunnel; do free_port "$name" > /dev/null; done
cat > "$work/nginx.conf" << CONF
$([ "$(id -u)" -ne 0 ] || echo "user root;")
daemon off; pid $work/nginx/pid; error_log $work/nginx/error.log; worker_processes 1;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path $work/nginx/body; proxy_temp_path $work/nginx/proxy;
  fastcgi_temp_path $work/nginx/f; uwsgi_temp_path $work/nginx/u; scgi_temp_path $work/nginx/s;
  ssl_certificate $pki/nginx.pem; ssl_certificate_key $pki/server.key;
  # A name with a variable is read for each handshake: a reload would cut connections that carry their first request.
  map \$ssl_server_name \$shown { default $pki/nginx.pem; }
  server { listen 127.0.0.1:$(free_port tls) ssl; location / { return 200 "nginx sni=\$ssl_server_name alpn=\$ssl_alpn_protocol\n"; } }
  server {
    listen 127.0.0.1:$(free_port mutual) ssl; ssl_certificate \$shown; ssl_client_certificate $pki/private.pem; ssl_verify_client on; ssl_session_tickets off;
    location / { return 200 "nginx knows \$ssl_client_s_dn\n"; }
  }
  server { listen 127.0.0.1:$(free_port plain); location / { return 200 "plain\n"; } }
  server { listen 127.0.0.1:$(free_port proxied) proxy_protocol; location / { return 200 "from \$proxy_protocol_addr:\$proxy_protocol_port\n"; } }
}
CONF
cat > "$work/haproxy.cfg" << CONF
global
  maxconn 500
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend tls
  bind 127.0.0.1:$(free_port haproxy) ssl crt $pki/server.both alpn h2,http/1.1
  http-request return status 200 content-type text/plain lf-string "haproxy sni=%[ssl_fc_sni] alpn=%[ssl_fc_alpn]\n"
frontend strict
  bind 127.0.0.1:$(free_port strict) ssl crt $pki/server.both ca-file $pki/private.pem verify required
  http-request return status 200 content-type text/plain lf-string "haproxy knows %[ssl_c_s_dn(CN)]\n"
frontend proxied
  bind 127.0.0.1:$(free_port haproxied) ssl crt $pki/server.both accept-proxy
  http-request return status 200 content-type text/plain lf-string "from %[src]:%[src_port] at %[fc_pp_authority]\n"
frontend web
  bind 127.0.0.1:$(free_port web) accept-proxy
  http-request return status 200 content-type text/plain lf-string "from %[src]:%[src_port] to %[dst_port]\n"
CONF
cat > "$work/tinyproxy.conf" << CONF
Port $(free_port tunnel)
Listen 127.0.0.1
Timeout 30
MaxClients 20
Allow 127.0.0.1
ConnectPort $(free_port plain)
CONF

entry() { # HOST SERVER-PORT TRAFFIC-POLICY [PROTOCOL PORT]
  local protocol=${4:-HTTP} port=${5:-80}
  cat > "$work/rules/$1.yaml" << YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: $1}
spec:
  hosts: [$1]
  resolution: STATIC
  ports: [{number: $port, name: p, protocol: $protocol, targetPort: $2}]
  endpoints: [{address: 127.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: $1}
spec: {host: $1, trafficPolicy: $3}
YAML
}
ca="caCertificates: $pki/private.pem"
mine="clientCertificate: $pki/client.pem, privateKey: $pki/client.key"
# effect-of: DestinationRule trafficPolicy.tls.mode
# effect-of: DestinationRule trafficPolicy.tls.caCertificates
# effect-of: DestinationRule trafficPolicy.tls.sni
# effect-of: DestinationRule trafficPolicy.tls.subjectAltNames
# effect-of: DestinationRule trafficPolicy.tls.insecureSkipVerify
# effect-of: DestinationRule trafficPolicy.tls.clientCertificate
# effect-of: DestinationRule trafficPolicy.tls.privateKey
# effect-of: DestinationRule trafficPolicy.proxyProtocol.version
# effect-of: DestinationRule trafficPolicy.tunnel.targetHost
# effect-of: DestinationRule trafficPolicy.tunnel.targetPort
entry partner.test "$(free_port tls)" "{tls: {mode: SIMPLE, $ca}}"
entry partner-of-haproxy.test "$(free_port haproxy)" "{tls: {mode: SIMPLE, $ca, sni: partner.test}}"
entry named.test "$(free_port tls)" "{tls: {mode: SIMPLE, $ca, subjectAltNames: [partner.test]}}"
entry other-name.test "$(free_port tls)" "{tls: {mode: SIMPLE, $ca}}"
entry other-ca.test "$(free_port tls)" "{tls: {mode: SIMPLE, caCertificates: $pki/stranger.pem, sni: partner.test}}"
entry system-ca.test "$(free_port tls)" "{tls: {mode: SIMPLE, sni: partner.test}}"
entry unverified.test "$(free_port tls)" "{tls: {mode: SIMPLE, insecureSkipVerify: true}}"
entry not-tls.test "$(free_port plain)" "{tls: {mode: SIMPLE, $ca}}"
entry mutual.test "$(free_port mutual)" "{connectionPool: {http: {maxRequestsPerConnection: 20}}, tls: {mode: MUTUAL, sni: partner.test, caCertificates: $pki/trusted.pem, $mine}}"
entry anonymous.test "$(free_port mutual)" "{tls: {mode: SIMPLE, $ca, sni: partner.test}}"
entry strict.test "$(free_port strict)" "{tls: {mode: MUTUAL, sni: partner.test, $ca, $mine}}"
entry strict-anonymous.test "$(free_port strict)" "{tls: {mode: SIMPLE, $ca, sni: partner.test}}"
entry strict-intruder.test "$(free_port strict)" "{tls: {mode: MUTUAL, $ca, sni: partner.test, clientCertificate: $pki/intruder.pem, privateKey: $pki/intruder.key}}"
entry proxied-v1.test "$(free_port proxied)" "{proxyProtocol: {version: V1}}"
entry proxied-tls.test "$(free_port haproxied)" "{proxyProtocol: {version: V1}, tls: {mode: SIMPLE, $ca, sni: partner.test}}"
entry pool-v2.test "$(free_port web)" "{proxyProtocol: {version: V2}}"
entry stream-v1.test "$(free_port proxied)" "{proxyProtocol: {}}" TCP "$(free_port stream1)"
entry stream-v2.test "$(free_port web)" "{proxyProtocol: {version: V2}}" TCP "$(free_port stream2)"
entry stream-tls.test "$(free_port tls)" "{tls: {mode: SIMPLE, $ca, sni: partner.test}}" TCP "$(free_port stream3)"
entry stream-anonymous.test "$(free_port strict)" "{tls: {mode: SIMPLE, $ca, sni: partner.test}}" TCP "$(free_port stream6)"
entry stream-tunnel.test "$(free_port tunnel)" "{tunnel: {targetHost: 127.0.0.1, targetPort: $(free_port plain)}}" TCP "$(free_port stream4)"
entry stream-refused.test "$(free_port tunnel)" "{tunnel: {targetHost: 127.0.0.1, targetPort: $(free_port tls)}}" TCP "$(free_port stream5)"

nginx -c "$work/nginx.conf" -p "$work/nginx" > "$work/nginx.log" 2>&1 & pid[nginx]=$!
haproxy -db -f "$work/haproxy.cfg" > "$work/haproxy.log" 2>&1 & pid[haproxy]=$!
tinyproxy -d -c "$work/tinyproxy.conf" > "$work/tinyproxy.log" 2>&1 & pid[tinyproxy]=$!
start sidecar Mesh.Sidecar run --rules "$work/rules" --service me:8080 --app 127.0.0.1:1 --access-log "$work/access.log" \
  --outbound 127.0.0.1:0 --inbound 127.0.0.1:0 --admin 127.0.0.1:0 --health 127.0.0.1:0 --metrics 127.0.0.1:0
out=$(address sidecar outbound) || { echo "FAIL the sidecar did not start"; exit 1; }
admin=$(address sidecar admin)
get() { curl -s -m 10 -w '%{http_code}\n' -x "http://$out" "http://$1/"; }
stream() { curl -s -m 10 -w '%{local_port}\n' "http://127.0.0.1:$(free_port "$1")/"; }
counter() { curl -s "http://$admin/stats" | grep -E "cluster.outbound.80..$1.(;|\.)?$2: [1-9]"; }
until_true 20 sh -c "curl -sf -x http://$out http://partner.test/" || true

check "nginx: SIMPLE with a private CA, SNI and ALPN" says 'nginx sni=partner.test alpn=http/1.1' get partner.test
check "HAProxy: SIMPLE, http/1.1 where h2 is offered" says 'haproxy sni=partner.test alpn=http/1.1' get partner-of-haproxy.test
check "a certificate for subjectAltNames serves" says 'nginx sni=named.test' get named.test
check "a certificate for another name is refused" says 'CERTIFICATE_VERIFY_FAILED:verify cert failed: verify SAN list' get other-name.test
check "a certificate of another CA is refused" says 'CERTIFICATE_VERIFY_FAILED.*TLS_error_end' get other-ca.test
check "the system's CAs do not know the private one" says 'CERTIFICATE_VERIFY_FAILED.*TLS_error_end' get system-ca.test
check "insecureSkipVerify takes any" says 'nginx sni=unverified.test' get unverified.test
check "a server of plain text is refused" says 'transport failure reason: TLS_error.*TLS_error_end' get not-tls.test
check "nginx: MUTUAL shows the client certificate" says 'nginx knows CN=client-one' get mutual.test
check "nginx: without a client certificate 400" says '^400$' get anonymous.test
check "HAProxy: MUTUAL shows the client certificate" says 'haproxy knows client-one' get strict.test
check "HAProxy: no client certificate is refused, and the answer says so" says 'TLS_error.*CERTIFICATE_REQUIRED.*TLS_error_end503$' get strict-anonymous.test
check "HAProxy: a client certificate of a stranger is refused, and the answer says so" says 'TLS_error.*UNKNOWN_CA.*TLS_error_end503$' get strict-intruder.test
check "a refusal has flag UF, after its retries, and the words in the access log" grep -qE '" 503 URX,UF .*TLS_error:\|.*:TLS_error_end' "$work/access.log"
check "ssl.fail_verify_san counts" counter other-name.test ssl.fail_verify_san
check "ssl.handshake counts" counter partner.test ssl.handshake

check "nginx: PROXY V1 of a pool names the sidecar" says 'from 127.0.0.1:[0-9]+' get proxied-v1.test
check "HAProxy: PROXY V1 before TLS" says 'from 127.0.0.1:[0-9]+' get proxied-tls.test
check "HAProxy: PROXY V2 of a pool" says 'from 127.0.0.1:[0-9]+' get pool-v2.test
names_the_client() { # STREAM: the port that the server saw is curl's own
  local said
  said=$(stream "$1")
  [ "$(sed -nE 's/^from 127.0.0.1:([0-9]+).*/\1/p' <<< "$said")" = "$(tail -n 1 <<< "$said")" ] || { echo "$said"; return 1; }
}
check "nginx: PROXY V1 of a stream names its client" names_the_client stream1
check "HAProxy: PROXY V2 of a stream names its client" names_the_client stream2
check "a stream over TLS" says 'nginx sni=partner.test alpn=$' stream stream3
names_the_reason() { stream stream6; until_true 5 grep -E 'TLS_error.*CERTIFICATE_REQUIRED.*outbound.[0-9]+..stream-anonymous.test' "$work/access.log"; }
check "HAProxy: a stream without client certificate ends, and the access log says why" names_the_reason
check "tinyproxy: a stream through CONNECT" says '^plain' stream stream4
refused() { ! stream stream5 | grep -q nginx; }
check "tinyproxy: a refused CONNECT ends the stream" refused

# Both sides' certificates change while eight clients call: the client's, then the CA bundle, then the server's, by another CA.
hey -z 12s -c 8 -x "http://$out" http://mutual.test/ > "$work/hey" 2>&1 & hey=$!
sleep 2
certificate private me-again client-two
cp "$pki/me-again.pem" "$pki/client.pem"
sleep 0.3
cp "$pki/me-again.key" "$pki/client.key"
check "a new client certificate is shown within seconds" until_true 5 sh -c "curl -s -x http://$out http://mutual.test/ | grep -q client-two"
cat "$pki/private.pem" "$pki/stranger.pem" > "$pki/both.pem" && mv "$pki/both.pem" "$pki/trusted.pem"
sleep 2
openssl x509 -req -in "$pki/server.csr" -CA "$pki/stranger.pem" -CAkey "$pki/stranger.key" -CAcreateserial -days 30 \
  -extfile <(echo "subjectAltName=DNS:partner.test") -out "$pki/server-again.pem" 2> /dev/null
mv "$pki/server-again.pem" "$pki/nginx.pem"
check "the server's new certificate, of another CA, is refused by those who do not trust it" until_true 5 sh -c "curl -s -x http://$out http://anonymous.test/ | grep -q CERTIFICATE_VERIFY_FAILED"
wait "$hey"
check "rotation under load: all answers were 200" sh -c "grep -qE '\[200\].*responses' '$work/hey' && ! grep -E '\[[1345][0-9]+\].*responses|Error distribution' '$work/hey'"
grep -E 'responses|Requests/sec' "$work/hey"
echo garbage > "$pki/trusted.pem"
check "a broken file is reported and the old one serves" until_true 5 sh -c "grep -q 'trusted.pem' '$work/sidecar.err' && curl -s -x http://$out http://mutual.test/ | grep -q client-two"
check "no unexpected exception" sh -c "curl -sf http://$admin/stats | grep 'unexpected_exception_total: 0$'"
done_checking
