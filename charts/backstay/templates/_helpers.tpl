{{- define "backstay.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What finds our pods; it can never change in a Deployment that exists. */}}
{{- define "backstay.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* Without an end of its own: the rules put one before the name of a page. */}}
{{- define "backstay.runbookUrl" -}}
{{ trimSuffix "/" .Values.metrics.prometheusRule.runbookUrl }}
{{- end -}}

{{- define "backstay.labels" -}}
{{- with .Values.commonLabels }}
{{- toYaml . }}
{{ end -}}
{{ include "backstay.selector" . }}
app.kubernetes.io/part-of: backstay
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "backstay.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "backstay.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "backstay.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{- define "backstay.port" -}}
{{ dig "http" "port" 8080 .Values.config | int }}
{{- end -}}

{{/* What `backstay operator --config` reads: the user's settings, and in their place what only the chart can know. */}}
{{- define "backstay.config" -}}
{{- $lease := dict "enabled" true "namespace" .Release.Namespace "name" (include "backstay.fullname" .) -}}
{{- $own := dict
      "image" (include "backstay.image" .)
      "namespaces" .Values.watchNamespaces
      "http" (dict "port" (include "backstay.port" . | int))
      "leaderElection" $lease -}}
{{ mergeOverwrite (deepCopy .Values.config) $own | toYaml }}
{{- end -}}

{{- define "backstay.subject" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "backstay.serviceAccount" . }}
    namespace: {{ .Release.Namespace }}
{{- end -}}
