#!/usr/bin/env bash
# What meshctl inject writes, in the hands of the real kubectl: its own types read every field, and it applies what comes out of a pipe.
. "$(dirname "$0")/lib.sh"
meshctl=$bin/Mesh.Cli/release/meshctl
cat > "$work/app.yaml" << 'END'
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders, namespace: shop}
spec:
  selector: {matchLabels: {app: orders}}
  template:
    metadata: {labels: {app: orders}}
    spec:
      containers:
      - name: app
        image: orders:1
        args:
        - |
          one
            two
        ports: [{name: web, containerPort: 8080}]
        livenessProbe: {httpGet: {path: /live, port: web}}
END
cat > "$work/rest.yaml" << 'END'
apiVersion: v1
kind: Service # stays as it is
metadata: {name: orders, namespace: shop}
spec: {ports: [{port: 80, targetPort: web}], selector: {app: orders}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec: {schedule: "0 3 * * *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: job, image: "job:1"}]}}}}}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: alone}, spec: {containers: [{name: app, image: "a:1"}]}}
END
cat "$work/app.yaml" <(echo ---) "$work/rest.yaml" > "$work/all.yaml"
: > "$work/discovery.log"
node tests/tools/discovery.cjs >> "$work/discovery.log" 2> "$work/discovery.err" &
pid[discovery]=$!
api=$(address discovery api) || exit 1
"$meshctl" inject -f "$work/app.yaml" > "$work/injected.yaml"

for kubectl in "$tools"/kubectl-1.3*; do
  k="kubectl ${kubectl##*-}"
  # "set image --local" decodes into kubectl's types, which refuse a wrong type and drop a field that they lack.
  "$kubectl" set image --local -f "$work/injected.yaml" app=orders:2 -o yaml > "$work/typed.yaml" 2> "$work/typed.err"
  for field in 'restartPolicy: Always' 'audience: mesh-control-plane' 'fieldPath: status.podIPs' 'fieldPath: metadata.labels' 'name: mesh-ca-root-cert' \
    'emptyDir: {}' 'type: RuntimeDefault' '- NET_ADMIN' 'readOnlyRootFilesystem: true' 'containerPort: 15090' 'failureThreshold: 600' 'path: /app-health/app/livez' \
    'cpu: 100m' 'runAsUser: 1337' 'mountPath: /var/lib/mesh' 'image: orders:2' '  two'; do
    check "$k knows: $field" grep -qF -- "$field" "$work/typed.yaml"
  done
  for verb in apply create; do
    says_all() { for line in 'deployment.apps/orders created' 'service/orders created' 'cronjob.batch/nightly created' 'pod/alone created'; do says "$line" cat "$work/dry" || return 1; done; }
    "$kubectl" --server="http://$api" "$verb" --dry-run=client --validate=false -f <("$meshctl" inject -f "$work/all.yaml") > "$work/dry" 2>&1
    check "$k $verb --dry-run=client takes the pipe" says_all
  done
done
check 'what has no pods stays to the letter' grep -qxF 'kind: Service # stays as it is' <("$meshctl" inject -f "$work/all.yaml")
check 'twice is once' cmp "$work/injected.yaml" <("$meshctl" inject -f "$work/injected.yaml" 2> /dev/null)
done_checking
