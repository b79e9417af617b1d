{{/* Mount path of a directory, by name. */}}
{{- define "pingone-flow-exporter.directory" -}}
{{- printf "/etc/pingone-flow-exporter/%s" . -}}
{{- end -}}

{{/* Names of the mounted directories, as a YAML list. Never subPath, which does not follow changes. */}}
{{- define "pingone-flow-exporter.directories" -}}
{{- if eq .Values.configMode "file" }}
- config
{{- end }}
{{- if or .Values.existingSecret .Values.secretVariables }}
- secrets
{{- end }}
{{- if include "pingone-flow-exporter.secured" . }}
- web
{{- end }}
{{- end -}}

{{/* Volume mounts of the exporter and of the test pod. */}}
{{- define "pingone-flow-exporter.volumeMounts" -}}
{{- range include "pingone-flow-exporter.directories" . | fromYamlArray }}
- name: {{ . }}
  mountPath: {{ include "pingone-flow-exporter.directory" . }}
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Volumes of the exporter and of the test pod. If two sources have the same key, the later one takes precedence. */}}
{{- define "pingone-flow-exporter.volumes" -}}
{{- $name := include "pingone-flow-exporter.held" . }}
{{- if eq .Values.configMode "file" }}
- name: config
  configMap:
    name: {{ $name }}-config
{{- end }}
{{- if or .Values.existingSecret .Values.secretVariables }}
- name: secrets
  projected:
    sources:
      {{- if .Values.secretVariables }}
      - secret:
          name: {{ $name }}
      {{- end }}
      {{- with .Values.existingSecret }}
      - secret:
          name: {{ . | quote }}
      {{- end }}
{{- end }}
{{- if include "pingone-flow-exporter.secured" . }}
- name: web
  projected:
    sources:
      {{- with .Values.web.certificateSecret }}
      - secret:
          name: {{ . | quote }}
      {{- end }}
      - secret:
          name: {{ .Values.web.existingSecret | default (printf "%s-web" $name) | quote }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
