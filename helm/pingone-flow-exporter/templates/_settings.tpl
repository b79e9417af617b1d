{{/* Values -> variables of the exporter. camelCase becomes UPPER_SNAKE, lists are comma-joined. */}}

{{/* One value as a text: numbers are never written as 1e+06. */}}
{{- define "pingone-flow-exporter.text" -}}
{{- if kindIs "slice" . -}}
{{- $texts := list -}}
{{- range . }}{{ $texts = append $texts (include "pingone-flow-exporter.text" .) }}{{ end -}}
{{- join "," $texts -}}
{{- else if and (kindIs "float64" .) (eq (float64 (int64 .)) .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* The fields of a target or of all: (list prefix fields). */}}
{{- define "pingone-flow-exporter.fields" -}}
{{- $prefix := index . 0 -}}
{{- range $field, $value := index . 1 }}
{{- if eq $field "labels" }}
{{- range $label, $text := $value }}
{{ $prefix }}__LABELS__{{ upper $label }}: {{ $text | quote }}
{{- end }}
{{- else if not (kindIs "invalid" $value) }}
{{ $prefix }}__{{ snakecase $field | upper }}: {{ include "pingone-flow-exporter.text" $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Every variable that is no secret, as the data of a ConfigMap. */}}
{{- define "pingone-flow-exporter.settings" -}}
{{- include "pingone-flow-exporter.fields" (list "FLOW_EXPORTER_DEFAULTS" .Values.defaults) }}
{{- range $name, $fields := .Values.targets }}
{{- include "pingone-flow-exporter.fields" (list (printf "FLOW_EXPORTER_TARGETS__%s" (upper $name)) $fields) }}
{{- end }}
FLOW_EXPORTER_WEB__LISTEN_ADDRESS: {{ printf ":%v" .Values.port | quote }}
{{- with .Values.externalUrl }}
FLOW_EXPORTER_WEB__EXTERNAL_URL: {{ . | quote }}
{{- end }}
FLOW_EXPORTER_LOG__LEVEL: {{ .Values.log.level | quote }}
FLOW_EXPORTER_LOG__FORMAT: {{ .Values.log.format | quote }}
FLOW_EXPORTER_SHUTDOWN_GRACE: {{ .Values.shutdownGrace | quote }}
{{- with .Values.durationBuckets }}
FLOW_EXPORTER_DURATION_BUCKETS: {{ include "pingone-flow-exporter.text" . | quote }}
{{- end }}
{{- with .Values.egressCheckUrl }}
FLOW_EXPORTER_EGRESS_CHECK_URL: {{ . | quote }}
{{- end }}
{{- with .Values.maxConcurrentProbes }}
FLOW_EXPORTER_MAX_CONCURRENT_PROBES: {{ include "pingone-flow-exporter.text" . | quote }}
{{- end }}
{{- end -}}

{{/* From where a container gets its variables; the later ones win. */}}
{{- define "pingone-flow-exporter.envFrom" -}}
- configMapRef:
    name: {{ include "pingone-flow-exporter.fullname" . }}
{{- if .Values.secretVariables }}
- secretRef:
    name: {{ include "pingone-flow-exporter.fullname" . }}
{{- end }}
{{- with .Values.existingSecret }}
- secretRef:
    name: {{ . | quote }}
{{- end }}
{{- with .Values.extraEnvFrom }}
{{ toYaml . }}
{{- end }}
{{- end -}}
