{{/* Whether there is a web configuration file: "yes" or nothing. */}}
{{- define "pingone-flow-exporter.secured" -}}
{{- if or .Values.web.config .Values.web.existingSecret }}yes{{ end -}}
{{- end -}}

{{/* Scheme of the main port: `https` or `http`. Also the port's name, which service meshes read. */}}
{{- define "pingone-flow-exporter.scheme" -}}
{{- if or .Values.web.tls .Values.web.config.tls_server_config }}https{{ else }}http{{ end -}}
{{- end -}}

{{/* A kubelet's health check: (list root path). Kubelets have no client certificate and verify none. */}}
{{- define "pingone-flow-exporter.httpGet" -}}
{{- $root := index . 0 -}}
{{- $scheme := include "pingone-flow-exporter.scheme" $root -}}
path: {{ index . 1 }}
{{- if $root.Values.web.healthPort }}
port: health
{{- else }}
port: {{ $scheme }}
{{- if eq $scheme "https" }}
scheme: HTTPS
{{- end }}
{{- end }}
{{- end -}}

{{/* Endpoint of a monitor: (list root monitor). */}}
{{- define "pingone-flow-exporter.scrape" -}}
{{- $root := index . 0 -}}
{{- $scheme := include "pingone-flow-exporter.scheme" $root -}}
- port: {{ $scheme }}
  path: /metrics
  {{- with index . 1 }}
  {{- with .scheme | default (eq $scheme "https" | ternary $scheme "") }}
  scheme: {{ . }}
  {{- end }}
  {{- range $field := list "interval" "scrapeTimeout" }}
  {{- with get (index $ 1) $field }}
  {{ $field }}: {{ . }}
  {{- end }}
  {{- end }}
  {{- range $field := list "honorLabels" "enableHttp2" "followRedirects" }}
  {{- if kindIs "bool" (get (index $ 1) $field) }}
  {{ $field }}: {{ get (index $ 1) $field }}
  {{- end }}
  {{- end }}
  {{- range $field := list "tlsConfig" "basicAuth" "authorization" "relabelings" }}
  {{- with get (index $ 1) $field }}
  {{ $field }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- $reduced := .reducedSeries | ternary ($root.Files.Get "files/reduced-series.yaml" | fromYamlArray) list }}
  {{- with concat $reduced .metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end -}}
