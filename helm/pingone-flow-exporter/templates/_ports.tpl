{{/* The port of a URL, or of a host with an optional port. */}}
{{- define "pingone-flow-exporter.portOf" -}}
{{- $authority := regexFind "^([A-Za-z]+://)?[^/?#]*" . -}}
{{- $default := hasPrefix "http://" (lower .) | ternary "80" "443" -}}
{{- regexFind ":[0-9]+$" $authority | trimPrefix ":" | default $default -}}
{{- end -}}

{{/* Ports that probes, proxies, the egress check, destinations and the status page need, as a JSON list. */}}
{{- define "pingone-flow-exporter.egressPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.egressPorts }}{{ $ports = append $ports (toString (int .)) }}{{ end -}}
{{- $settings := .Values.targets | values -}}
{{- /* Wherever the destination is, its identity providers are elsewhere, and most of them on port 443. */ -}}
{{- range .Values.destinations }}{{ $settings = append $settings (merge (dict "destinationRegion" "any") .) }}{{ end -}}
{{- if include "pingone-flow-exporter.otherSources" . }}{{ $settings = append $settings dict }}{{ end -}}
{{- range $fields := $settings -}}
{{- $all := mergeOverwrite (deepCopy $.Values.defaults) $fields -}}
{{- if $all.proxyUrl -}}
{{- $ports = append $ports (include "pingone-flow-exporter.portOf" $all.proxyUrl) -}}
{{- else -}}
{{- if or (not (or $all.authUrl $all.customDomain)) $all.destinationRegion }}{{ $ports = append $ports "443" }}{{ end -}}
{{- range $field := list "authUrl" "customDomain" "destinationAuthUrl" "destinationCustomDomain" "issuer" }}
{{- with get $all $field }}{{ $ports = append $ports (include "pingone-flow-exporter.portOf" .) }}{{ end -}}
{{- end -}}
{{- if $all.loginHosts }}{{ $ports = append $ports "443" }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range $url := list .Values.egressCheckUrl .Values.statusPage.url -}}
{{- with $url }}{{ $ports = append $ports (include "pingone-flow-exporter.portOf" .) }}{{ end -}}
{{- end -}}
{{- $numbers := list -}}
{{- range $ports | uniq | sortAlpha }}{{ $numbers = append $numbers (int .) }}{{ end -}}
{{- toJson $numbers -}}
{{- end -}}
