// Looks into manifests for check-chart.sh.
//   manifests.cjs types FILE DIR   writes DIR/check.ts: every object as a literal of its Kubernetes type, for tsc to judge, unknown fields included
//   manifests.cjs rights FILE      one line "VERB GROUP/RESOURCE [NAME]" for each right of the roles
//   manifests.cjs selectors FILE   complains of selectors that select nothing, of ports that lead nowhere, and of pods that may do too much
//   manifests.cjs only FILE GROUP   the objects of a group, as a List
//   manifests.cjs list FILE KIND...   the objects of these kinds, as JSON
//   manifests.cjs get FILE KIND PATH   what stands there in the objects that have it, a list by lines; a ~ in the path is a slash of a name
'use strict';
const fs = require('fs');
const yaml = require(`${process.cwd()}/artifacts/tools/node_modules/yaml`);
const [verb, file, argument, path, ...rest] = process.argv.slice(2);
const all = yaml.parseAllDocuments(fs.readFileSync(file, 'utf8')).map(d => {
  if (d.errors.length) throw d.errors[0];
  return d.toJS();
}).filter(Boolean);
const of = kind => all.filter(o => o.kind === kind);
const ours = ['networking.istio.io', 'resilience.mesh.dev']; // judged by our own API

const verbs = {
  types() {
    const lines = [];
    all.filter(o => !ours.includes(o.apiVersion.split('/')[0])).forEach((o, i) => {
      const source = o.apiVersion.startsWith('monitoring.coreos.com/') ? '@kubernetes-models/prometheus-operator' : 'kubernetes-models';
      lines.push(`import type { I${o.kind} as K${i} } from '${source}/${o.apiVersion}/${o.kind}';`, `export const object${i}: K${i} = ${JSON.stringify(o, null, 1)};`);
    });
    fs.writeFileSync(`${argument}/check.ts`, lines.join('\n'));
    fs.writeFileSync(`${argument}/tsconfig.json`, JSON.stringify({
      compilerOptions: { noEmit: true, strict: true, skipLibCheck: true, preserveSymlinks: true, module: 'preserve', moduleResolution: 'bundler', target: 'es2022', types: [] },
      files: ['check.ts'],
    }));
  },
  rights() {
    for (const rule of [...of('ClusterRole'), ...of('Role')].flatMap(r => r.rules))
      for (const group of rule.apiGroups)
        for (const resource of rule.resources)
          for (const right of rule.verbs)
            for (const name of rule.resourceNames ?? ['']) console.log(`${right} ${group}/${resource} ${name}`.trim());
  },
  selectors() {
    const complain = text => { console.log(text); process.exitCode = 1; };
    const selects = (selector, labels) => Object.entries(selector).every(([k, v]) => labels[k] === v);
    const pods = of('Deployment').map(d => ({ name: d.metadata.name, namespace: d.metadata.namespace, selector: d.spec.selector.matchLabels, ...d.spec.template }));
    const ports = pod => pod.spec.containers.flatMap(c => c.ports ?? []);
    for (const pod of pods) {
      if (!selects(pod.selector, pod.metadata.labels)) complain(`Deployment ${pod.name} does not select its own pods`);
      for (const c of pod.spec.containers) {
        const s = { ...pod.spec.securityContext, ...c.securityContext };
        if (!s.runAsNonRoot || s.privileged || s.allowPrivilegeEscalation !== false || !s.readOnlyRootFilesystem || s.capabilities?.drop?.[0] !== 'ALL' || s.capabilities.add)
          complain(`container ${c.name} may do too much: ${JSON.stringify(s)}`);
        if (s.seccompProfile?.type !== 'RuntimeDefault') complain(`container ${c.name} has no seccomp profile`);
        if (!c.resources?.requests?.cpu || !c.resources.limits?.memory) complain(`container ${c.name} has no request of CPU or limit of memory`);
        for (const probe of [c.readinessProbe, c.livenessProbe].filter(Boolean))
          if (!c.ports.some(p => p.name === probe.httpGet.port)) complain(`a probe of ${c.name} goes to no port: ${probe.httpGet.port}`);
        for (const port of c.ports) if (port.name.length > 15) complain(`port name ${port.name} is too long`);
        for (const mount of c.volumeMounts ?? []) if (!pod.spec.volumes.some(v => v.name === mount.name)) complain(`no volume ${mount.name}`);
      }
    }
    const behind = (selector, namespace) => pods.filter(p => p.namespace === namespace && selects(selector, p.metadata.labels));
    for (const s of of('Service')) {
      const found = behind(s.spec.selector, s.metadata.namespace);
      if (found.length !== 1) complain(`Service ${s.metadata.name} selects ${found.length} workloads`);
      for (const p of s.spec.ports) if (!ports(found[0]).some(q => q.name === p.targetPort)) complain(`Service ${s.metadata.name}: no port ${p.targetPort}`);
    }
    for (const p of [...of('PodDisruptionBudget'), ...of('NetworkPolicy')])
      if (behind((p.spec.selector ?? p.spec.podSelector).matchLabels, p.metadata.namespace).length !== 1) complain(`${p.kind} selects nothing`);
    for (const m of of('ServiceMonitor')) {
      const found = of('Service').filter(s => selects(m.spec.selector.matchLabels, s.metadata.labels) && s.spec.ports.some(p => p.name === m.spec.endpoints[0].port));
      if (found.length !== 1) complain(`ServiceMonitor finds ${found.length} services`);
    }
    for (const hooks of [...of('MutatingWebhookConfiguration'), ...of('ValidatingWebhookConfiguration')])
      for (const hook of hooks.webhooks) {
        const { service, caBundle } = hook.clientConfig;
        const found = of('Service').find(s => s.metadata.name === service.name && s.metadata.namespace === service.namespace);
        if (!found?.spec.ports.some(p => p.port === service.port)) complain(`webhook ${hook.name} calls no service`);
        if (caBundle !== undefined) complain(`webhook ${hook.name}: an upgrade would take the root away`);
        const unseen = hook.namespaceSelector.matchExpressions.find(e => e.key === 'kubernetes.io/metadata.name' && e.operator === 'NotIn')?.values ?? [];
        for (const must of ['kube-system', 'kube-public', 'kube-node-lease', service.namespace])
          if (!unseen.includes(must)) complain(`webhook ${hook.name} sees namespace ${must}: the cluster could not mend itself`);
      }
  },
  only() {
    console.log(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: all.filter(o => o.apiVersion.startsWith(`${argument}/`)) }));
  },
  list() {
    console.log(JSON.stringify([argument, path, ...rest].flatMap(of)));
  },
  get() {
    for (const o of of(argument)) {
      const found = path.split('/').reduce((at, step) => at?.[step.replace('~', '/')], o);
      for (const value of found === undefined ? [] : Array.isArray(found) ? found : [found]) console.log(typeof value === 'object' ? JSON.stringify(value) : value);
    }
  },
};
verbs[verb]();
