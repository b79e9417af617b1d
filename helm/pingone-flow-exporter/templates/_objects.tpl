{{/* ConfigMaps with the settings: (list root annotations). */}}
{{- define "pingone-flow-exporter.configmaps" -}}
{{- $root := index . 0 -}}
{{- $metadata := include "pingone-flow-exporter.metadata" (list $root "exporter" dict (index . 1) "") }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "pingone-flow-exporter.held" $root }}
  {{- $metadata | nindent 2 }}
data:
  {{- include "pingone-flow-exporter.settings" $root | trim | nindent 2 }}
{{- if eq $root.Values.configMode "file" }}
---
# Mounted, and reloaded when it changes, so the pods have no checksum of it.
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "pingone-flow-exporter.held" $root }}-config
  {{- $metadata | nindent 2 }}
data:
  config.yaml: |
    {{- include "pingone-flow-exporter.file" $root | nindent 4 }}
{{- end }}
{{- end -}}

{{/* Secrets from values: (list root annotations). */}}
{{- define "pingone-flow-exporter.secrets" -}}
{{- $root := index . 0 -}}
{{- $metadata := include "pingone-flow-exporter.metadata" (list $root "exporter" dict (index . 1) "") }}
{{- if $root.Values.secretVariables }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ include "pingone-flow-exporter.held" $root }}
  {{- $metadata | nindent 2 }}
type: Opaque
data:
  {{- range $name, $value := $root.Values.secretVariables }}
  {{ $name }}: {{ $value | b64enc | quote }}
  {{- end }}
{{- end }}
{{- if $root.Values.web.config }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ include "pingone-flow-exporter.held" $root }}-web
  {{- $metadata | nindent 2 }}
type: Opaque
data:
  {{ $root.Values.web.configKey }}: {{ toYaml $root.Values.web.config | b64enc | quote }}
{{- end }}
{{- end -}}
