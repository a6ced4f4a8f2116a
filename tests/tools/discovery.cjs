// As much of an API server as kubectl asks for before it takes workloads by itself (--dry-run=client): which kinds there are, and that no object exists yet.
const http = require('node:http');
const kinds = {
  'v1': [['pods', 'Pod'], ['services', 'Service'], ['configmaps', 'ConfigMap']],
  'apps/v1': [['deployments', 'Deployment'], ['statefulsets', 'StatefulSet'], ['daemonsets', 'DaemonSet'], ['replicasets', 'ReplicaSet']],
  'batch/v1': [['jobs', 'Job'], ['cronjobs', 'CronJob']],
};
const resources = (version) => ({
  kind: 'APIResourceList', apiVersion: 'v1', groupVersion: version,
  resources: kinds[version].map(([name, kind]) => ({ name, kind, singularName: kind.toLowerCase(), namespaced: true, verbs: ['create', 'get', 'list', 'patch'] })),
});
const group = (name) => ({ name, versions: [{ groupVersion: `${name}/v1`, version: 'v1' }], preferredVersion: { groupVersion: `${name}/v1`, version: 'v1' } });
const pages = {
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [group('apps'), group('batch')] },
  '/api/v1': resources('v1'),
  '/apis/apps/v1': resources('apps/v1'),
  '/apis/batch/v1': resources('batch/v1'),
};
const server = http.createServer((request, response) => {
  const page = pages[request.url.split('?')[0]];
  response.writeHead(page ? 200 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(page ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404, message: 'not found' }));
});
server.listen(0, '127.0.0.1', () => console.log(`api listening on http://127.0.0.1:${server.address().port}`));
