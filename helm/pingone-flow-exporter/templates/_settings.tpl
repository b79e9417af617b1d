{{/*
Values -> the exporter's settings.

configMode  environment                          files
env         everything except secrets            secrets/  web/
file        what a reload cannot change          secrets/  web/  config/config.yaml

Files are mounted as whole directories, which the kubelet keeps up to date and the exporter watches.
*/}}

{{/* Whether targets may also come from elsewhere than these values: "yes" or nothing. */}}
{{- define "pingone-flow-exporter.otherSources" -}}
{{- if or .Values.existingSecret .Values.secretVariables .Values.extraEnv .Values.extraEnvFrom (contains "--config.file" (join " " .Values.extraArgs)) }}yes{{ end -}}
{{- end -}}

{{/* A value as text: numbers are never written as 1e+06. */}}
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

{{/* The fields of a target, of defaults or of a destination, as variables: (list prefix fields). camelCase becomes UPPER_SNAKE, lists are comma-joined. */}}
{{- define "pingone-flow-exporter.fields" -}}
{{- $prefix := index . 0 -}}
{{- range $field, $value := index . 1 }}
{{- if eq $field "labels" }}
{{- range $label, $text := $value }}
{{ $prefix }}__LABELS__{{ upper $label }}: {{ $text | quote }}
{{- end }}
{{- else }}
{{ $prefix }}__{{ snakecase $field | upper }}: {{ include "pingone-flow-exporter.text" $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The same as a mapping for the configuration file. Every value is text, which the exporter accepts. */}}
{{- define "pingone-flow-exporter.mapping" -}}
{{- $mapping := dict -}}
{{- range $field, $value := . -}}
{{- if eq $field "labels" -}}
{{- $_ := set $mapping "labels" $value -}}
{{- else -}}
{{- $_ := set $mapping (snakecase $field) (include "pingone-flow-exporter.text" $value) -}}
{{- end -}}
{{- end -}}
{{- toYaml $mapping -}}
{{- end -}}

{{/* All variables except secrets, as the data of a ConfigMap. */}}
{{- define "pingone-flow-exporter.settings" -}}
{{- if eq .Values.configMode "file" }}
FLOW_EXPORTER_CONFIG_FILE: {{ include "pingone-flow-exporter.directory" "config" }}/config.yaml
{{- else }}
{{- include "pingone-flow-exporter.fields" (list "FLOW_EXPORTER_DEFAULTS" .Values.defaults) }}
{{- range $name, $fields := .Values.targets }}
{{- include "pingone-flow-exporter.fields" (list (printf "FLOW_EXPORTER_TARGETS__%s" (upper $name)) $fields) }}
{{- end }}
{{- range $name, $fields := .Values.destinations }}
{{- include "pingone-flow-exporter.fields" (list (printf "FLOW_EXPORTER_DESTINATIONS__%s" (upper $name)) $fields) }}
{{- end }}
FLOW_EXPORTER_LOG__LEVEL: {{ .Values.log.level | quote }}
{{- with .Values.egressCheckUrl }}
FLOW_EXPORTER_EGRESS_CHECK_URL: {{ . | quote }}
{{- end }}
{{- if .Values.statusPage.url }}
{{- include "pingone-flow-exporter.fields" (list "FLOW_EXPORTER_STATUS_PAGE" .Values.statusPage) }}
{{- end }}
{{- with .Values.maxConcurrentProbes }}
FLOW_EXPORTER_MAX_CONCURRENT_PROBES: {{ include "pingone-flow-exporter.text" . | quote }}
{{- end }}
{{- end }}
FLOW_EXPORTER_WEB__LISTEN_ADDRESS: {{ printf ":%v" .Values.port | quote }}
{{- with .Values.web.healthPort }}
FLOW_EXPORTER_WEB__HEALTH_LISTEN_ADDRESS: {{ printf ":%v" . | quote }}
{{- end }}
{{- if include "pingone-flow-exporter.secured" . }}
FLOW_EXPORTER_WEB__CONFIG_FILE: {{ include "pingone-flow-exporter.directory" "web" }}/{{ .Values.web.configKey }}
{{- end }}
{{- if or .Values.existingSecret .Values.secretVariables }}
FLOW_EXPORTER_SECRETS_DIR: {{ include "pingone-flow-exporter.directory" "secrets" }}
{{- end }}
{{- with .Values.externalUrl }}
FLOW_EXPORTER_WEB__EXTERNAL_URL: {{ . | quote }}
{{- end }}
{{- with .Values.grafanaUrl }}
FLOW_EXPORTER_WEB__GRAFANA_URL: {{ . | quote }}
{{- end }}
{{- with .Values.prometheusUrl }}
FLOW_EXPORTER_WEB__PROMETHEUS_URL: {{ . | quote }}
{{- end }}
FLOW_EXPORTER_LOG__FORMAT: {{ .Values.log.format | quote }}
FLOW_EXPORTER_SHUTDOWN_GRACE: {{ .Values.shutdownGrace | quote }}
{{- with .Values.durationBuckets }}
FLOW_EXPORTER_DURATION_BUCKETS: {{ include "pingone-flow-exporter.text" . | quote }}
{{- end }}
{{- with .Values.federationDurationBuckets }}
FLOW_EXPORTER_FEDERATION_DURATION_BUCKETS: {{ include "pingone-flow-exporter.text" . | quote }}
{{- end }}
{{- end -}}

{{/* The configuration file: everything that a reload can change. */}}
{{- define "pingone-flow-exporter.file" -}}
{{- $targets := dict -}}
{{- range $name, $fields := .Values.targets -}}
{{- $_ := set $targets $name (include "pingone-flow-exporter.mapping" $fields | fromYaml) -}}
{{- end -}}
{{- $destinations := dict -}}
{{- range $name, $fields := .Values.destinations -}}
{{- $_ := set $destinations $name (include "pingone-flow-exporter.mapping" $fields | fromYaml) -}}
{{- end -}}
{{- $file := dict "log" (dict "level" .Values.log.level) -}}
{{- with .Values.defaults }}{{ $_ := set $file "defaults" (include "pingone-flow-exporter.mapping" . | fromYaml) }}{{ end -}}
{{- with $targets }}{{ $_ := set $file "targets" . }}{{ end -}}
{{- with $destinations }}{{ $_ := set $file "destinations" . }}{{ end -}}
{{- with .Values.egressCheckUrl }}{{ $_ := set $file "egress_check_url" . }}{{ end -}}
{{- if .Values.statusPage.url }}{{ $_ := set $file "status_page" (include "pingone-flow-exporter.mapping" .Values.statusPage | fromYaml) }}{{ end -}}
{{- with .Values.maxConcurrentProbes }}{{ $_ := set $file "max_concurrent_probes" (include "pingone-flow-exporter.text" .) }}{{ end -}}
{{- toYaml $file -}}
{{- end -}}

{{/* Sources of a container's variables; later ones take precedence. */}}
{{- define "pingone-flow-exporter.envFrom" -}}
- configMapRef:
    name: {{ include "pingone-flow-exporter.held" . }}
{{- with .Values.extraEnvFrom }}
{{ toYaml . }}
{{- end }}
{{- end -}}
