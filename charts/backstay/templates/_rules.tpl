{{/* What the operator may do where it looks after policies: every verb that the code uses and no other (a test compares
them with what it asks for). No verb on Secrets: Jobs mount them, the operator never reads one. */}}
{{- define "backstay.operatorRules" -}}
- apiGroups: [backstay.dev]
  resources: [backuppolicies, backupruns, restorerequests, backupgrants]
  verbs: [get, list, watch]
- apiGroups: [backstay.dev]
  resources: [backupruns]
  verbs: [create]
# Finalizers only.
- apiGroups: [backstay.dev]
  resources: [backupruns, restorerequests]
  verbs: [patch]
- apiGroups: [backstay.dev]
  resources: [backuppolicies/status, backupruns/status, restorerequests/status, backupgrants/status]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# How far a backup is: the last lines of its agent.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# On which node a volume can be used.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get]
# Which image the server of a policy runs.
- apiGroups: [apps]
  resources: [statefulsets, deployments]
  verbs: [get]
# What a Job or its pod waits for, such as a missing secret, is told in events.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* In the release's own namespace: the lease of the one that works, with the name of the cluster written on it. */}}
{{- define "backstay.leaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "backstay.fullname" . }}]
  verbs: [get, update, patch]
{{- end -}}

{{/* The UID of one namespace is the name of the cluster, by which a repository knows its owner. */}}
{{- define "backstay.clusterIdRules" -}}
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [{{ .Values.watchNamespaces | empty | ternary "kube-system" .Release.Namespace }}]
  verbs: [get]
{{- end -}}

{{/* Roles for people. */}}
{{- define "backstay.viewerRules" -}}
- apiGroups: [backstay.dev]
  resources: [backuppolicies, backupruns, restorerequests, backupgrants]
  verbs: [get, list, watch]
{{- end -}}

{{/* Backups now, by the connection and to the stores of a policy. A run names no image and no secret, but any database of
the server, and it may take a repository over. */}}
{{- define "backstay.backupOperatorRules" -}}
{{ include "backstay.viewerRules" . }}
- apiGroups: [backstay.dev]
  resources: [backupruns]
  verbs: [create, delete]
{{- end -}}

{{/* Who acts when a server is lost. A request names an image and secrets: as strong as creating a pod. */}}
{{- define "backstay.failoverAdminRules" -}}
{{ include "backstay.backupOperatorRules" . }}
- apiGroups: [backstay.dev]
  resources: [restorerequests]
  verbs: [create, delete]
{{- end -}}

{{/* As strong as creating a pod, and the only one that lets other namespaces read. */}}
{{- define "backstay.policyEditorRules" -}}
- apiGroups: [backstay.dev]
  resources: [backuppolicies, backupruns, restorerequests, backupgrants]
  verbs: [get, list, watch, create, update, patch, delete]
{{- end -}}
