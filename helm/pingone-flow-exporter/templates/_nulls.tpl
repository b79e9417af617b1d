{{/* Deletes what is `null` in a map, and in the maps in it: Helm only does so where a chart has a default. */}}
{{- define "pingone-flow-exporter.without" -}}
{{- range $key, $value := . -}}
{{- if kindIs "invalid" $value }}{{ $_ := unset $ $key }}{{ else if kindIs "map" $value }}{{ include "pingone-flow-exporter.without" $value }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* `null`, or a key with nothing behind it, deletes a default. Where that leaves something empty or switched off, it is filled in here; the schema refuses it everywhere else. Every template begins with this: Helm does not say which it renders first. */}}
{{- define "pingone-flow-exporter.nulls" -}}
{{- $monitor := dict "enabled" false "labels" dict "reducedSeries" false "metricRelabelings" list -}}
{{- $object := dict "enabled" false "labels" dict "annotations" dict -}}
{{- $empty := dict
  "targets" dict
  "destinations" dict
  "defaults" dict
  "externalUrl" ""
  "egressCheckUrl" ""
  "statusPage" (dict "url" "" "components" list)
  "durationBuckets" list
  "federationDurationBuckets" list
  "web" (dict "config" dict)
  "imagePullSecrets" list
  "additionalLabels" dict
  "commonLabels" dict
  "commonAnnotations" dict
  "serviceAccount" (dict "annotations" dict)
  "service" (dict "labels" dict "annotations" dict)
  "serviceMonitor" $monitor
  "podMonitor" $monitor
  "rules" (dict "objectLabels" dict "additionalAnnotations" dict "additionalGroups" list "labels" dict "alerts" dict)
  "dashboards" (dict "labels" dict "folder" "" "annotations" dict)
  "ingress" $object
  "httpRoute" $object
  "hostNetwork" false
  "podLabels" dict
  "podAnnotations" dict
  "deploymentAnnotations" dict
-}}
{{- include "pingone-flow-exporter.without" .Values -}}
{{- $_ := merge .Values (deepCopy $empty) -}}
{{- end -}}
