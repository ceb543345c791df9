{{- define "slotwright.name" -}}
{{- if contains "slotwright" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-slotwright" (.Release.Name | trunc 39 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "slotwright.account" -}}
{{ .Values.serviceAccount.name | default (include "slotwright.name" .) }}
{{- end }}

{{- define "slotwright.selector" -}}
app.kubernetes.io/name: slotwright
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "slotwright.labels" -}}
{{ include "slotwright.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "slotwright.subjects" -}}
subjects: [{kind: ServiceAccount, name: {{ include "slotwright.account" . }}, namespace: {{ .Release.Namespace }}}]
{{- end }}
