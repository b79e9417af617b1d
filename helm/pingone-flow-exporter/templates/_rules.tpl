{{/* Annotations of an alert: (list root rule own). What its URLs start with is replaced; without rules.runbookUrl the absent exporter would have to serve its own runbook, and without rules.dashboardUrl there is nothing to link to. */}}
{{- define "pingone-flow-exporter.annotations" -}}
{{- $root := index . 0 -}}
{{- $rule := index . 1 -}}
{{- $rules := $root.Values.rules -}}
{{- $exporter := include "pingone-flow-exporter.url" $root -}}
{{- $annotations := mergeOverwrite (dict) ($rule.annotations | default dict) -}}
{{- $_ := set $annotations "runbook_url" (printf "%s/%s" ($rules.runbookUrl | default (printf "%s/runbooks" $exporter) | trimSuffix "/") $rule.alert) -}}
{{- if and (not $rules.runbookUrl) (eq $rule.alert "PingOneExporterAbsent") }}{{ $_ := unset $annotations "runbook_url" }}{{ end -}}
{{- /* What the port asks for; with TLS it serves no plain HTTP, and its certificate is not one for the address of a pod. */ -}}
{{- with $annotations.description }}{{ $_ := set $annotations "description" (replace "curl -s http://" (include "pingone-flow-exporter.curl" $root) .) }}{{ end -}}
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

{{/* How the commands in alerts begin: with what the port asks of a scrape, and curl asks for the password. A monitor's user is in a Secret; only web.config has a name. */}}
{{- define "pingone-flow-exporter.curl" -}}
{{- $scheme := include "pingone-flow-exporter.scheme" . -}}
{{- $user := "" -}}
{{- $certificate := regexMatch "^Require" (dig "tls_server_config" "client_auth_type" "" .Values.web.config) -}}
{{- range list .Values.serviceMonitor .Values.podMonitor -}}
{{- if .basicAuth }}{{ $user = "USER" }}{{ end -}}
{{- if dig "cert" "" (.tlsConfig | default dict) }}{{ $certificate = true }}{{ end -}}
{{- end -}}
{{- range .Values.web.config.basic_auth_users | default dict | keys | sortAlpha | reverse }}{{ $user = regexMatch "^[A-Za-z0-9._@-]+$" . | ternary . "USER" }}{{ end -}}
curl -s{{ if eq $scheme "https" }}k{{ end }}
{{- if $certificate }} --cert FILE --key FILE{{ end }}
{{- with $user }} -u {{ . }}{{ end }} {{ $scheme }}://
{{- end -}}

{{/* Fails if a label that is added to an alert replaces one by which its instances differ: two of them would have the same labels, and Prometheus would evaluate neither: (list root rule added). */}}
{{- define "pingone-flow-exporter.checkAdded" -}}
{{- $root := index . 0 -}}
{{- $rule := index . 1 -}}
{{- range $label, $series := dict "owner" "host:pingone_flow_" "tier" "host:pingone_flow_" "component" "pingone_status_component" -}}
{{- $values := $root.Values.statusPage.components -}}
{{- if ne $label "component" -}}
{{- $values = list -}}
{{- range $fields := concat ($root.Values.targets | values) ($root.Values.destinations | values) -}}
{{- $values = append $values (dig "labels" $label (dig "labels" $label "" $root.Values.defaults) $fields) -}}
{{- end -}}
{{- end -}}
{{- if and (hasKey (index $ 2) $label) (contains $series $rule.expr) (gt (len (uniq $values)) 1) -}}
{{- fail (printf "\nrules: the label %s must not be added to %s, which is one alert for each %s; set it for the other alerts, in rules.alerts" $label $rule.alert $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
