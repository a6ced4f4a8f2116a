// An API server that says yes to everything and writes down what it was asked: one line "VERB GROUP/RESOURCE [NAME]" a request, as RBAC sees it.
// Every token is good, for the account and the pod that it says and for the audience that is asked about.
// It holds the objects of OBJECTS.json, shows all at /objects, refuses the first write of each status as a conflict, and knows the kinds of KINDS below.
// usage: node api-recorder.cjs OBJECTS.json
'use strict';
const http = require('http');
const fs = require('fs');

// group/version, kind, plural; a cluster-wide one has a star
const kinds = `
v1 Pod pods · v1 Service services · v1 *Node nodes · v1 *Namespace namespaces · v1 Secret secrets · v1 ConfigMap configmaps · v1 ServiceAccount serviceaccounts
apps/v1 Deployment deployments · policy/v1 PodDisruptionBudget poddisruptionbudgets · networking.k8s.io/v1 NetworkPolicy networkpolicies
authentication.k8s.io/v1 *TokenReview tokenreviews
discovery.k8s.io/v1 EndpointSlice endpointslices · coordination.k8s.io/v1 Lease leases
rbac.authorization.k8s.io/v1 Role roles · rbac.authorization.k8s.io/v1 RoleBinding rolebindings
rbac.authorization.k8s.io/v1 *ClusterRole clusterroles · rbac.authorization.k8s.io/v1 *ClusterRoleBinding clusterrolebindings
admissionregistration.k8s.io/v1 *MutatingWebhookConfiguration mutatingwebhookconfigurations
admissionregistration.k8s.io/v1 *ValidatingWebhookConfiguration validatingwebhookconfigurations
apiextensions.k8s.io/v1 *CustomResourceDefinition customresourcedefinitions · monitoring.coreos.com/v1 ServiceMonitor servicemonitors
networking.istio.io/v1 DestinationRule destinationrules · networking.istio.io/v1 VirtualService virtualservices
networking.istio.io/v1alpha3 DestinationRule destinationrules
networking.istio.io/v1 ServiceEntry serviceentries · networking.istio.io/v1 Sidecar sidecars · networking.istio.io/v1 WorkloadEntry workloadentries
resilience.mesh.dev/v1alpha1 ResiliencePolicy resiliencepolicies · resilience.mesh.dev/v1alpha1 CircuitBreaker circuitbreakers · resilience.mesh.dev/v1alpha1 RateLimit ratelimits
resilience.mesh.dev/v1alpha1 Fallback fallbacks`.split(/[·\n]/).map(s => s.trim()).filter(Boolean).map(line => {
  const [groupVersion, kind, plural] = line.split(' ');
  const [version, group = ''] = groupVersion.split('/').reverse();
  return { group, version, kind: kind.replace('*', ''), plural, namespaced: !kind.startsWith('*') };
});

const objects = new Map(); // group/plural/namespace/name
const key = (group, plural, namespace, name) => [group, plural, namespace, name].join('|');
let version = 100;
for (const object of JSON.parse(fs.readFileSync(process.argv[2]))) {
  const [, group = ''] = object.apiVersion.split('/').reverse();
  const { plural, namespaced } = kinds.find(k => k.group === group && k.kind === object.kind);
  if (namespaced) object.metadata.namespace ??= 'default';
  Object.assign(object.metadata, { uid: String(version), generation: 1, resourceVersion: String(version++) });
  objects.set(key(group, plural, object.metadata.namespace ?? '', object.metadata.name), object);
}

const refused = new Set();
const status = (code, reason) => [code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message: reason }];
function discovery(path) {
  const groups = [...new Set(kinds.map(k => k.group))].filter(Boolean).map(name => {
    const versions = [...new Set(kinds.filter(k => k.group === name).map(k => k.version))].map(v => ({ groupVersion: `${name}/${v}`, version: v }));
    return { kind: 'APIGroup', apiVersion: 'v1', name, versions, preferredVersion: versions[0] };
  });
  if (path === '/version') return { major: '1', minor: '35', gitVersion: 'v1.35.0' };
  if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] };
  if (path === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups };
  const [root, group, version] = path.slice(1).split('/');
  if (root === 'apis' && !version) return groups.find(g => g.name === group);
  const of = kinds.filter(k => root === 'api' ? k.group === '' : k.group === group && k.version === version);
  const verbs = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];
  const resources = of.map(k => ({ name: k.plural, singularName: '', kind: k.kind, namespaced: k.namespaced, verbs }));
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: path.replace(/^\/apis?\//, ''), resources };
}

function answer(method, url, body, response) {
  if (url.pathname === '/objects') return [200, [...objects.values()]];
  const match = /^\/(?:api|apis\/([^/]+))\/(v[^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?(?:\/(status))?$/.exec(url.pathname);
  const known = match && kinds.find(k => k.group === (match[1] ?? '') && k.plural === match[4]);
  if (!known) {
    const found = /^\/(apis?(\/|$)|version$)/.test(url.pathname) ? discovery(url.pathname) : undefined;
    return found ? [200, found] : status(404, 'NotFound');
  }
  const [, group = '', , namespace = '', plural, name, sub] = match;
  const watching = url.searchParams.get('watch');
  const verb = { GET: name ? 'get' : watching ? 'watch' : 'list', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }[method];
  const selected = /^metadata\.name=(.*)$/.exec(url.searchParams.get('fieldSelector') ?? '')?.[1]; // RBAC takes it for the name
  const subject = (name ?? selected) && ['leases', 'secrets', 'configmaps', 'mutatingwebhookconfigurations', 'validatingwebhookconfigurations'].includes(plural) ? ` ${name ?? selected}` : '';
  console.log(`${verb} ${group}/${plural}${sub ? '/' + sub : ''}${subject}`);
  if (plural === 'tokenreviews') {
    const claims = JSON.parse(Buffer.from(body.spec.token.split('.')[1], 'base64url'));
    const user = { username: claims.sub, extra: claims.pod && { 'authentication.kubernetes.io/pod-name': [claims.pod] } };
    return [201, { ...body, status: { authenticated: true, user, audiences: body.spec.audiences } }];
  }
  if (watching) { // an open stream in which nothing happens
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    return null;
  }
  const at = key(group, plural, namespace, name ?? body?.metadata?.name);
  if (verb === 'list') {
    const wanted = (url.searchParams.get('labelSelector') ?? '').split(',').filter(Boolean).map(pair => pair.split('='));
    const items = [...objects].filter(([k, o]) => k.startsWith(`${group}|${plural}|${namespace}`) && wanted.every(([l, v]) => o.metadata.labels?.[l] === v) && (!selected || o.metadata.name === selected)).map(([, o]) => o);
    return [200, { kind: `${known.kind}List`, apiVersion: group ? `${group}/${known.version}` : 'v1', metadata: { resourceVersion: String(version) }, items }];
  }
  if (sub && !refused.has(at)) return refused.add(at), status(409, 'Conflict');
  if (verb === 'create' || verb === 'update' || (verb === 'patch' && !sub)) { // the only patches here are whole objects, of helm's server-side apply
    Object.assign(body.metadata, { uid: at, resourceVersion: String(version++) });
    if (known.namespaced) body.metadata.namespace ??= namespace;
    objects.set(at, body);
  }
  const found = objects.get(at);
  if (verb === 'delete') objects.delete(at);
  return found ? [verb === 'create' ? 201 : 200, found] : status(404, 'NotFound');
}

// Helm keeps its releases as Secrets in protobuf: the magic, an envelope whose field 2 is the object, and of that metadata (1), data (2) and type (3).
function fields(buffer) {
  const found = {};
  for (let at = 0; at < buffer.length;) {
    const number = () => { let value = 0, shift = 1; for (;; shift *= 128) { const b = buffer[at++]; value += (b & 127) * shift; if (b < 128) return value; } };
    const tag = number(), size = number(); // a number, or the length of what follows
    (found[tag >> 3] ??= []).push((tag & 7) === 2 ? buffer.subarray(at, (at += size)) : size);
  }
  return found;
}
const map = (entries, encoding) => Object.fromEntries((entries ?? []).map(fields).map(e => [String(e[1][0]), (e[2]?.[0] ?? Buffer.of()).toString(encoding)]));
function secret(buffer) {
  const object = fields(fields(buffer)[2][0]);
  const metadata = fields(object[1][0]);
  return {
    apiVersion: 'v1', kind: 'Secret', type: String(object[3]?.[0] ?? 'Opaque'), data: map(object[2], 'base64'),
    metadata: { name: String(metadata[1][0]), labels: map(metadata[11]) },
  };
}
function read(method, body) {
  if (method === 'GET' || method === 'DELETE' || body.length === 0) return null;
  return body.subarray(0, 4).equals(Buffer.from('k8s\0')) ? secret(body.subarray(4)) : JSON.parse(body);
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', part => parts.push(part)).on('end', () => {
    const answered = answer(request.method, new URL(request.url, 'http://here'), read(request.method, Buffer.concat(parts)), response);
    if (!answered) return;
    response.writeHead(answered[0], { 'content-type': 'application/json' });
    response.end(JSON.stringify(answered[1]));
  });
});
server.listen(0, '127.0.0.1', () => console.log(`recorder listening on http://127.0.0.1:${server.address().port}`));
