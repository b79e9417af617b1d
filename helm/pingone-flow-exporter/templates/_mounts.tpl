{{/* Where a directory of files is mounted, by its name. */}}
{{- define "pingone-flow-exporter.directory" -}}
{{- printf "/etc/pingone-flow-exporter/%s" . -}}
{{- end -}}

{{/* Names of the directories that are mounted, as a list in YAML. Never subPath, which would not follow changes. */}}
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

{{/* Volume mounts of every container of ours. */}}
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

{{/* Volumes of every pod of ours; of two sources with the same key, the later one wins. */}}
{{- define "pingone-flow-exporter.volumes" -}}
{{- $name := include "pingone-flow-exporter.fullname" . }}
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
