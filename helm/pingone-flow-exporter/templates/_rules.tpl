{{/* Annotations of an alert: (list root rule own). What its URLs start with is replaced; without rules.runbookUrl the absent exporter would have to serve its own runbook, and without rules.dashboardUrl there is nothing to link to. */}}
{{- define "pingone-flow-exporter.annotations" -}}
{{- $root := index . 0 -}}
{{- $rule := index . 1 -}}
{{- $rules := $root.Values.rules -}}
{{- $exporter := include "pingone-flow-exporter.url" $root -}}
{{- $annotations := mergeOverwrite (dict) ($rule.annotations | default dict) -}}
{{- $_ := set $annotations "runbook_url" (printf "%s/%s" ($rules.runbookUrl | default (printf "%s/runbooks" $exporter) | trimSuffix "/") $rule.alert) -}}
{{- if and (not $rules.runbookUrl) (eq $rule.alert "PingOneExporterAbsent") }}{{ $_ := unset $annotations "runbook_url" }}{{ end -}}
{{- /* The port serves no plain HTTP then, and its certificate is not one for the address of a pod. */ -}}
{{- if eq (include "pingone-flow-exporter.scheme" $root) "https" }}{{ $_ := set $annotations "description" (replace "curl -s http://" "curl -sk https://" $annotations.description) }}{{ end -}}
{{- with $annotations.exporter_url }}{{ $_ := set $annotations "exporter_url" (replace "http://pingone-flow-exporter:9988" $exporter .) }}{{ end -}}
{{- with $annotations.dashboard_url -}}
{{- if $rules.dashboardUrl -}}
{{- $_ := set $annotations "dashboard_url" (replace "http://grafana:3000" (trimSuffix "/" $rules.dashboardUrl) .) -}}
{{- else -}}
{{- $_ := unset $annotations "dashboard_url" -}}
{{- end -}}
{{- end -}}
{{- toYaml (mergeOverwrite $annotations $rules.additionalAnnotations ((index . 2).annotations | default dict)) -}}
{{- end -}}
