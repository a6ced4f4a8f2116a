{{/* One control plane a namespace: its names are fixed, because sidecars, certificates and the Lease go by them. */}}
{{- define "mesh.name" -}}mesh-control-plane{{- end }}

{{/* Name of what stands in no namespace. */}}
{{- define "mesh.clusterName" -}}mesh-control-plane-{{ .Release.Namespace }}{{- end }}

{{- define "mesh.selector" -}}
app.kubernetes.io/name: mesh-control-plane
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mesh.labels" -}}
{{ include "mesh.selector" . }}
app.kubernetes.io/component: control-plane
app.kubernetes.io/part-of: mesh
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "mesh.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{/* Namespaces out of every webhook's sight: a cluster must be able to mend itself, and the mesh to start, when no webhook answers. */}}
{{- define "mesh.unseenNamespaces" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values: {{ concat (list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace) .Values.webhooks.ignoredNamespaces | uniq | toJson }}
{{- end }}

{{/* What all webhooks have in common. */}}
{{- define "mesh.webhookClient" }}
    clientConfig:
      service: {name: {{ include "mesh.name" .root }}, namespace: {{ .root.Release.Namespace }}, path: {{ .path }}, port: 443}
    admissionReviewVersions: [v1]
    sideEffects: None
    failurePolicy: {{ .settings.failurePolicy }}
    timeoutSeconds: {{ .settings.timeoutSeconds }}
{{- end }}

{{- define "mesh.injector" }}
{{- include "mesh.webhookClient" (dict "root" . "path" "/inject" "settings" .Values.webhooks.injection) }}
    reinvocationPolicy: Never
    rules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods], scope: Namespaced}
{{- end }}

{{/* The values' settings over those that follow from the release. */}}
{{- define "mesh.injectionSettings" -}}
{{- $own := dict
  "image" (printf "mesh/sidecar:%s" .Chart.AppVersion)
  "controlPlane" (printf "https://%s.%s.svc:15010" (include "mesh.name" .) .Release.Namespace)
  "revision" .Values.webhooks.revision
  "kubernetesVersion" (printf "%s.%s" .Capabilities.KubeVersion.Major .Capabilities.KubeVersion.Minor)
  "ignoredNamespaces" (concat (list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace) .Values.webhooks.ignoredNamespaces | uniq) }}
{{- merge (dict) .Values.webhooks.injection.settings $own | toYaml }}
{{- end }}
