{{- define "backstay.testName" -}}
{{ include "backstay.fullname" . }}-test
{{- end -}}

{{/* Where the operator looks: a release that is kept to some namespaces need not look after its own. */}}
{{- define "backstay.testNamespace" -}}
{{- if or (empty .Values.watchNamespaces) (has .Release.Namespace .Values.watchNamespaces) -}}
{{ .Release.Namespace }}
{{- else -}}
{{ first .Values.watchNamespaces }}
{{- end -}}
{{- end -}}

{{/* Where the pods of the test may run, and with which secrets they are pulled: fields of a pod and of spec.jobs alike. */}}
{{- define "backstay.testPlacement" -}}
{{- range $field := list "imagePullSecrets" "nodeSelector" "tolerations" }}
{{- with get $.Values $field }}
{{ $field }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "backstay.testMetadata" -}}
name: {{ include "backstay.testName" .root }}
namespace: {{ include "backstay.testNamespace" .root }}
labels:
  app.kubernetes.io/name: {{ include "backstay.testName" .root }}
  app.kubernetes.io/instance: {{ .root.Release.Name }}
  app.kubernetes.io/component: test
  app.kubernetes.io/part-of: backstay
annotations:
  helm.sh/hook: test
  helm.sh/hook-weight: {{ .weight | quote }}
  # What failed stays until the next test: its log says why.
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
