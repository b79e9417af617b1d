{{/* Image and security context, shared by the exporter and the test pod. */}}
{{- define "pingone-flow-exporter.container" -}}
image: {{ include "pingone-flow-exporter.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- end -}}

{{/* The pod template of a Deployment or StatefulSet. */}}
{{- define "pingone-flow-exporter.pod" -}}
metadata:
  labels:
    {{- $labels := mergeOverwrite (dict) .Values.commonLabels .Values.additionalLabels .Values.podLabels (include "pingone-flow-exporter.selectorLabels" . | fromYaml) }}
    {{- toYaml $labels | nindent 4 }}
  annotations:
    # Environment variables are read at start only; mounted files are reloaded when they change.
    checksum/config: {{ include "pingone-flow-exporter.settings" . | sha256sum }}
    {{- with mergeOverwrite (dict) .Values.commonAnnotations .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "pingone-flow-exporter.serviceAccountName" . | quote }}
  automountServiceAccountToken: false
  # A Service named flow-exporter would inject variables with the exporter's prefix.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ div (add 10999 (include "pingone-flow-exporter.milliseconds" .Values.shutdownGrace | int64)) 1000 }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with include "pingone-flow-exporter.imagePullSecrets" . }}
  imagePullSecrets:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.hostNetwork }}
  hostNetwork: true
  {{- end }}
  {{- with .Values.dnsPolicy | default (.Values.hostNetwork | ternary "ClusterFirstWithHostNet" "") }}
  dnsPolicy: {{ . }}
  {{- end }}
  {{- with .Values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.extraInitContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: exporter
      {{- include "pingone-flow-exporter.container" . | nindent 6 }}
      {{- with .Values.extraArgs }}
      args:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if or .Values.extraEnv (gt (int .Values.shards) 1) }}
      env:
        {{- if gt (int .Values.shards) 1 }}
        # A StatefulSet's pod name ends in its ordinal, which the exporter uses as the shard index.
        - name: FLOW_EXPORTER_SHARD__INDEX
          valueFrom:
            fieldRef:
              apiVersion: v1
              fieldPath: metadata.name
        - name: FLOW_EXPORTER_SHARD__COUNT
          value: {{ .Values.shards | quote }}
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      envFrom:
        {{- include "pingone-flow-exporter.envFrom" . | nindent 8 }}
      ports:
        - name: {{ include "pingone-flow-exporter.scheme" . }}
          containerPort: {{ .Values.port }}
          protocol: TCP
        {{- with .Values.web.healthPort }}
        - name: health
          containerPort: {{ . }}
          protocol: TCP
        {{- end }}
      {{- with .Values.startupProbe }}
      startupProbe:
        httpGet:
          {{- include "pingone-flow-exporter.httpGet" (list $ "/-/healthy") | nindent 10 }}
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.livenessProbe }}
      livenessProbe:
        httpGet:
          {{- include "pingone-flow-exporter.httpGet" (list $ "/-/healthy") | nindent 10 }}
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.readinessProbe }}
      readinessProbe:
        httpGet:
          {{- include "pingone-flow-exporter.httpGet" (list $ "/-/ready") | nindent 10 }}
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with include "pingone-flow-exporter.volumeMounts" . | trim }}
      volumeMounts:
        {{- . | nindent 8 }}
      {{- end }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with include "pingone-flow-exporter.volumes" . | trim }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- $selector := dict "labelSelector" (dict "matchLabels" (include "pingone-flow-exporter.selectorLabels" $ | fromYaml)) }}
    {{- range . }}
    - {{- hasKey . "labelSelector" | ternary dict $selector | merge (dict) . | toYaml | nindent 6 }}
    {{- end }}
  {{- end }}
{{- end -}}

{{/* A pod that validates settings with the image and exits: (list root service-account). */}}
{{- define "pingone-flow-exporter.check" -}}
{{- $root := index . 0 -}}
{{- with $root -}}
restartPolicy: Never
serviceAccountName: {{ index $ 1 | quote }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with include "pingone-flow-exporter.imagePullSecrets" . }}
imagePullSecrets:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.extraInitContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: check-config
    {{- include "pingone-flow-exporter.container" . | nindent 4 }}
    args:
      - check-config
      {{- with without (.Values.extraArgs | default list) "run" }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with .Values.extraEnv }}
    env:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    envFrom:
      {{- include "pingone-flow-exporter.envFrom" . | nindent 6 }}
    {{- with .Values.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with include "pingone-flow-exporter.volumeMounts" . | trim }}
    volumeMounts:
      {{- . | nindent 6 }}
    {{- end }}
{{- with include "pingone-flow-exporter.volumes" . | trim }}
volumes:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
{{- end -}}
