{{/* What a schema cannot say, or only unclearly: all mistakes at once, without repeating a value. */}}
{{- define "pingone-flow-exporter.mistakes" -}}
{{- $mistakes := list -}}
{{- $elsewhere := or .Values.existingSecret .Values.secretVariables .Values.extraEnv .Values.extraEnvFrom -}}
{{- if not (or .Values.targets $elsewhere) -}}
{{- $mistakes = append $mistakes "targets: there is no target; for a first one, of any name, set targets.example.sourceEnvironmentId, targets.example.destinationEnvironmentId and targets.example.clientId" -}}
{{- end -}}
{{- $levels := dict "defaults" .Values.defaults -}}
{{- range $name, $fields := .Values.targets -}}
{{- $_ := set $levels (printf "targets.%s" $name) $fields -}}
{{- if not $elsewhere -}}
{{- range $field := list "sourceEnvironmentId" "destinationEnvironmentId" "clientId" -}}
{{- if not (or (hasKey $fields $field) (hasKey $.Values.defaults $field)) -}}
{{- $mistakes = append $mistakes (printf "targets.%s.%s: is missing" $name $field) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $level, $fields := $levels -}}
{{- range $locators := list (list "region" "authUrl" "customDomain") (list "destinationRegion" "destinationAuthUrl" "destinationCustomDomain") -}}
{{- $written := list -}}
{{- range $locators }}{{ if hasKey $fields . }}{{ $written = append $written . }}{{ end }}{{ end -}}
{{- if gt (len $written) 1 -}}
{{- $mistakes = append $mistakes (printf "%s: has %s; keep one of them" $level (join " and " $written)) -}}
{{- end -}}
{{- end -}}
{{- if contains "@" (toString (get $fields "proxyUrl")) -}}
{{- $variable := printf "FLOW_EXPORTER_%s__PROXY_URL" ($level | replace "." "__" | upper) -}}
{{- $mistakes = append $mistakes (printf "%s.proxyUrl: holds a user or password, and a ConfigMap is no place for one; put %s into a Secret of your own and name it in existingSecret" $level $variable) -}}
{{- end -}}
{{- end -}}
{{- if contains "@" .Values.egressCheckUrl -}}
{{- $mistakes = append $mistakes "egressCheckUrl: must not hold a user or password" -}}
{{- end -}}
{{- if and (gt (int .Values.shards) 1) (ne (int .Values.replicaCount) 1) -}}
{{- $mistakes = append $mistakes "replicaCount: must be 1 with several shards; each shard is one pod" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- $mistakes = append $mistakes "podMonitor.enabled: cannot stand beside serviceMonitor.enabled, or everything is scraped twice; keep one of them" -}}
{{- end -}}
{{- if $mistakes -}}
{{- fail (printf "\n%s" (join "\n" $mistakes)) -}}
{{- end -}}
{{- end -}}
