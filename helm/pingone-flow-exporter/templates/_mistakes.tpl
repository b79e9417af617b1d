{{/* What a schema cannot say, or only unclearly: all mistakes at once, without repeating a value. */}}
{{- define "pingone-flow-exporter.mistakes" -}}
{{- $mistakes := list -}}
{{- $elsewhere := or .Values.existingSecret .Values.secretVariables .Values.extraEnv .Values.extraEnvFrom -}}
{{- if not (or .Values.targets $elsewhere) -}}
{{- $mistakes = append $mistakes "targets: there is no target; for a first one, of any name, set targets.example.sourceEnvironmentId, targets.example.destinationEnvironmentId and targets.example.clientId" -}}
{{- end -}}
{{- $name := include "pingone-flow-exporter.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- $mistakes = append $mistakes (printf "fullnameOverride: is missing; of this release's name comes %s, and no Service may be called so: it begins with a letter and has no dots" $name) -}}
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
{{- $web := .Values.web -}}
{{- if and $web.config $web.existingSecret -}}
{{- $mistakes = append $mistakes "web.config: cannot stand beside web.existingSecret; keep one of them" -}}
{{- end -}}
{{- if and $web.certificateSecret (not (or $web.config $web.existingSecret)) -}}
{{- $mistakes = append $mistakes "web.certificateSecret: is named by no web configuration file; set web.config.tls_server_config, for example to {cert_file: tls.crt, key_file: tls.key}" -}}
{{- end -}}
{{- if and $web.tls (not (or $web.config $web.existingSecret)) -}}
{{- $mistakes = append $mistakes "web.tls: says what web.existingSecret holds, and there is none; set web.config or web.existingSecret" -}}
{{- end -}}
{{- if and (regexMatch "^Require" (dig "tls_server_config" "client_auth_type" "" $web.config)) (not $web.healthPort) -}}
{{- $mistakes = append $mistakes "web.healthPort: is missing; no kubelet has the client certificate that web.config.tls_server_config.client_auth_type wants" -}}
{{- end -}}
{{- if and $web.healthPort (eq (int $web.healthPort) (int .Values.port)) -}}
{{- $mistakes = append $mistakes "web.healthPort: is the same as port; choose another one" -}}
{{- end -}}
{{- range $user, $hash := $web.config.basic_auth_users -}}
{{- if not (regexMatch "^[$]2[aby][$][0-9]{2}[$][./A-Za-z0-9]{53}$" $hash) -}}
{{- $mistakes = append $mistakes (printf "web.config.basic_auth_users.%s: is no bcrypt hash; write what htpasswd -nBC 10 prints behind the colon" $user) -}}
{{- end -}}
{{- end -}}
{{- range $monitor := list "serviceMonitor" "podMonitor" -}}
{{- with get $.Values $monitor -}}
{{- if and .enabled (not .basicAuth) $web.config.basic_auth_users -}}
{{- $mistakes = append $mistakes (printf "%s.basicAuth: is missing; Prometheus needs one of web.config.basic_auth_users, from a Secret of yours" $monitor) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $mistakes -}}
{{- fail (printf "\n%s" (join "\n" $mistakes)) -}}
{{- end -}}
{{- end -}}
