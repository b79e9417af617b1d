{{/* The name in selectors and in the job label: not nameOverride, because selectors are immutable and jobs are histories. As a dependency with an alias, the alias. */}}
{{- define "pingone-flow-exporter.name" -}}
{{- .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of the objects. 50 characters leave room for "-shards" in a Service, and for ordinal and revision hash of a StatefulSet's pods; a longer name ends in a hash, so that two releases never share objects. */}}
{{- define "pingone-flow-exporter.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := printf "%s-%s" .Release.Name $name -}}
{{- if .Values.fullnameOverride }}{{ $full = .Values.fullnameOverride }}{{ else if contains $name .Release.Name }}{{ $full = .Release.Name }}{{ end -}}
{{- if gt (len $full) 50 -}}
{{- printf "%s-%s" ($full | trunc 41 | trimSuffix "-") ($full | sha256sum | trunc 8) -}}
{{- else -}}
{{- $full -}}
{{- end -}}
{{- end -}}

{{- define "pingone-flow-exporter.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{/* Name of what holds the settings: the check before an upgrade has copies with a suffix. */}}
{{- define "pingone-flow-exporter.held" -}}
{{- printf "%s%s" (include "pingone-flow-exporter.fullname" .) (get . "Suffix" | default "") -}}
{{- end -}}

{{/* Metadata of an object after its name: (list root component extra-labels extra-annotations namespace). */}}
{{- define "pingone-flow-exporter.metadata" -}}
{{- $root := index . 0 -}}
namespace: {{ index . 4 | default (include "pingone-flow-exporter.namespace" $root) | quote }}
labels:
  {{- include "pingone-flow-exporter.labels" (list $root (index . 1) (index . 2)) | nindent 2 }}
{{- with mergeOverwrite (dict) $root.Values.commonAnnotations (index . 3) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "pingone-flow-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "pingone-flow-exporter.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "pingone-flow-exporter.image" -}}
{{- $image := .Values.image -}}
{{- with dig "imageRegistry" "" (.Values.global | default dict) | default $image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Pull Secrets of a pod, each as `name: …`; global ones may be plain names. */}}
{{- define "pingone-flow-exporter.imagePullSecrets" -}}
{{- $found := list -}}
{{- range concat (dig "imagePullSecrets" list (.Values.global | default dict)) .Values.imagePullSecrets -}}
{{- $found = append $found (kindIs "string" . | ternary (dict "name" .) .) -}}
{{- end -}}
{{- with $found | uniq }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/* Selects the exporter's pods. Must never change: a Deployment's selector is immutable. */}}
{{- define "pingone-flow-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pingone-flow-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: exporter
{{- end -}}

{{/* Labels of an object: (list root component extra). The chart's own labels take precedence. */}}
{{- define "pingone-flow-exporter.labels" -}}
{{- $root := index . 0 -}}
{{- $own := dict
  "app.kubernetes.io/name" (include "pingone-flow-exporter.name" $root)
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/component" (index . 1)
  "app.kubernetes.io/version" ($root.Values.image.tag | default $root.Chart.AppVersion | replace "+" "_" | trunc 63 | regexFind "^.*[A-Za-z0-9]")
  "app.kubernetes.io/managed-by" $root.Release.Service
  "app.kubernetes.io/part-of" "pingone-flow-exporter"
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- toYaml (mergeOverwrite (dict) $root.Values.commonLabels $root.Values.additionalLabels (index . 2) $own) -}}
{{- end -}}

{{/* A Prometheus duration in milliseconds. */}}
{{- define "pingone-flow-exporter.milliseconds" -}}
{{- $sizes := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 -}}
{{- $total := 0 -}}
{{- range $part := regexFindAll "[0-9]+[a-z]+" . -1 -}}
{{- $total = add $total (mul (regexFind "^[0-9]+" $part | int64) (get $sizes (regexFind "[a-z]+$" $part))) -}}
{{- end -}}
{{- $total -}}
{{- end -}}

{{/* Base of runbook URLs: externalUrl, else the Service inside the cluster. */}}
{{- define "pingone-flow-exporter.url" -}}
{{- if .Values.externalUrl -}}
{{- .Values.externalUrl | trimSuffix "/" -}}
{{- else -}}
{{- printf "%s://%s.%s.svc:%v" (include "pingone-flow-exporter.scheme" .) (include "pingone-flow-exporter.fullname" .) (include "pingone-flow-exporter.namespace" .) .Values.service.port -}}
{{- end -}}
{{- end -}}
