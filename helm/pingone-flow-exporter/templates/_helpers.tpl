{{/* Names. 50 characters leave room for "-shards" in a Service, and for ordinal and revision hash of a StatefulSet's pods. */}}
{{- define "pingone-flow-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "pingone-flow-exporter.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
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
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
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
{{- toYaml (mergeOverwrite (dict) $root.Values.additionalLabels (index . 2) $own) -}}
{{- end -}}

{{/* A Prometheus duration in whole seconds, rounded up. */}}
{{- define "pingone-flow-exporter.seconds" -}}
{{- $sizes := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 -}}
{{- $total := 0 -}}
{{- range $part := regexFindAll "[0-9]+[a-z]+" . -1 -}}
{{- $total = add $total (mul (regexFind "^[0-9]+" $part | int64) (get $sizes (regexFind "[a-z]+$" $part))) -}}
{{- end -}}
{{- div (add $total 999) 1000 -}}
{{- end -}}

{{/* Base of runbook URLs: externalUrl, else the Service inside the cluster. */}}
{{- define "pingone-flow-exporter.url" -}}
{{- if .Values.externalUrl -}}
{{- .Values.externalUrl | trimSuffix "/" -}}
{{- else -}}
{{- printf "%s://%s.%s.svc:%v" (include "pingone-flow-exporter.scheme" .) (include "pingone-flow-exporter.fullname" .) .Release.Namespace .Values.service.port -}}
{{- end -}}
{{- end -}}
