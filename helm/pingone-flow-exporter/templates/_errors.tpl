{{/* The journeys of a target, as a JSON list: (list target defaults). */}}
{{- define "pingone-flow-exporter.journeys" -}}
{{- $journeys := list "authorize" -}}
{{- range $fields := list (index . 1) (index . 0) -}}
{{- with get $fields "journeys" }}{{ $journeys = . }}{{ end -}}
{{- with get $fields "journey" }}{{ $journeys = list . }}{{ end -}}
{{- end -}}
{{- toJson $journeys -}}
{{- end -}}

{{/* Errors that a schema cannot express, or only unclearly: reports all of them, without repeating a value. */}}
{{- define "pingone-flow-exporter.errors" -}}
{{- $errors := list -}}
{{- $otherSources := include "pingone-flow-exporter.otherSources" . -}}
{{- $targets := .Values.targets -}}
{{- $destinations := .Values.destinations -}}
{{- if not (or $targets $otherSources $destinations) -}}
{{- $errors = append $errors "targets: no target configured; set targets.<name>.sourceEnvironmentId, targets.<name>.destinationEnvironmentId and targets.<name>.clientId" -}}
{{- end -}}
{{- $name := include "pingone-flow-exporter.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- $errors = append $errors (printf "fullnameOverride: required; the release name yields %s, which is not a valid Service name: it must start with a letter and contain no dots" $name) -}}
{{- end -}}
{{- $levels := dict "defaults" .Values.defaults -}}
{{- range $name, $fields := $targets -}}
{{- $_ := set $levels (printf "targets.%s" $name) $fields -}}
{{- if not $otherSources -}}
{{- $journeys := include "pingone-flow-exporter.journeys" (list $fields $.Values.defaults) | fromJsonArray -}}
{{- $required := list "destinationEnvironmentId" -}}
{{- if has "authorize" $journeys }}{{ $required = concat $required (list "sourceEnvironmentId" "clientId") }}{{ end -}}
{{- if has "federation" $journeys }}{{ $required = concat $required (list "destinationClientId" "destinationRedirectUri") }}{{ end -}}
{{- if and (has "discovery" $journeys) (not (or (hasKey $fields "issuer") (hasKey $.Values.defaults "issuer"))) -}}
{{- $kind := coalesce (get $fields "sourceKind") (get $.Values.defaults "sourceKind") "pingone" -}}
{{- $required = append $required (ternary "sourceEnvironmentId" "issuer" (eq (lower $kind) "pingone")) | uniq -}}
{{- end -}}
{{- range $field := $required -}}
{{- if not (or (hasKey $fields $field) (hasKey $.Values.defaults $field)) -}}
{{- $errors = append $errors (printf "targets.%s.%s: required" $name $field) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $fields := $destinations -}}
{{- $_ := set $levels (printf "destinations.%s" $name) $fields -}}
{{- range $field := list "environmentId" "clientId" "redirectUri" -}}
{{- if not (or $otherSources (hasKey $fields $field)) -}}
{{- $errors = append $errors (printf "destinations.%s.%s: required" $name $field) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $level, $fields := $levels -}}
{{- range $locators := list (list "journeys" "journey") (list "region" "authUrl" "customDomain") (list "destinationRegion" "destinationAuthUrl" "destinationCustomDomain") -}}
{{- $set := list -}}
{{- range $locators }}{{ if hasKey $fields . }}{{ $set = append $set . }}{{ end }}{{ end -}}
{{- if gt (len $set) 1 -}}
{{- $errors = append $errors (printf "%s: %s are mutually exclusive" $level (join " and " $set)) -}}
{{- end -}}
{{- end -}}
{{- $all := mergeOverwrite (deepCopy $.Values.defaults) $fields -}}
{{- range $journey, $default := dict "interval" "60s" "federationInterval" "5m" "discoveryInterval" "10m" "refreshInterval" "5m" -}}
{{- $timeout := $journey | replace "interval" "timeout" | replace "Interval" "Timeout" -}}
{{- $interval := include "pingone-flow-exporter.milliseconds" (get $all $journey | default $default) | int64 -}}
{{- if and (hasKey $fields $journey) (or (lt $interval 100) (gt $interval 86400000)) -}}
{{- $errors = append $errors (printf "%s.%s: must be between 100ms and 1d" $level $journey) -}}
{{- else if and (not (hasPrefix "destinations." $level)) (or (hasKey $fields $journey) (hasKey $fields $timeout)) (hasKey $all $timeout) (ge (include "pingone-flow-exporter.milliseconds" (get $all $timeout) | int64) $interval) -}}
{{- $errors = append $errors (printf "%s.%s: must be shorter than %s, which is %s" $level $timeout $journey (get $all $journey | default $default)) -}}
{{- end -}}
{{- end -}}
{{- if and (not $otherSources) (or (hasKey $fields "clientCertificateFile") (hasKey $fields "clientKeyFile")) (ne (hasKey $all "clientCertificateFile") (hasKey $all "clientKeyFile")) -}}
{{- $pair := hasKey $all "clientKeyFile" | ternary (list "clientCertificateFile" "clientKeyFile") (list "clientKeyFile" "clientCertificateFile") -}}
{{- $errors = append $errors (printf "%s.%s: required by %s" $level (first $pair) (last $pair)) -}}
{{- end -}}
{{- $located := or $otherSources (hasKey $fields "region") (hasKey $fields "authUrl") -}}
{{- range list "destinationRegion" "destinationAuthUrl" "destinationCustomDomain" }}{{ if hasKey $all . }}{{ $located = true }}{{ end }}{{ end -}}
{{- if and (hasPrefix "targets." $level) (hasKey $all "customDomain") (not $located) -}}
{{- $errors = append $errors (printf "%s.customDomain: requires destinationRegion, destinationAuthUrl or destinationCustomDomain" $level) -}}
{{- end -}}
{{- if contains "@" (toString (get $fields "proxyUrl")) -}}
{{- $variable := printf "FLOW_EXPORTER_%s__PROXY_URL" ($level | replace "." "__" | upper) -}}
{{- $errors = append $errors (printf "%s.proxyUrl: must not contain a user or password, which would end up in a ConfigMap; put %s into a Secret and set existingSecret" $level $variable) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "durationBuckets" "federationDurationBuckets" -}}
{{- $before := 0.0 -}}
{{- range get $.Values $name -}}
{{- if le (float64 .) $before }}{{ $errors = append $errors (printf "%s: must increase" $name) }}{{ end -}}
{{- $before = float64 . -}}
{{- end -}}
{{- end -}}
{{- $volumes := list "config" "secrets" "web" -}}
{{- range .Values.extraVolumes -}}
{{- if has .name $volumes }}{{ $errors = append $errors (printf "extraVolumes: the name %s is taken; rename the volume" .name) }}{{ end -}}
{{- $volumes = append $volumes .name -}}
{{- end -}}
{{- $paths := list -}}
{{- range list "config" "secrets" "web" }}{{ $paths = append $paths (include "pingone-flow-exporter.directory" .) }}{{ end -}}
{{- range .Values.extraVolumeMounts -}}
{{- if has (trimSuffix "/" .mountPath) $paths }}{{ $errors = append $errors (printf "extraVolumeMounts: something is already mounted at %s" .mountPath) }}{{ end -}}
{{- $paths = append $paths (trimSuffix "/" .mountPath) -}}
{{- end -}}
{{- if contains "@" .Values.statusPage.url -}}
{{- $errors = append $errors "statusPage.url: must not contain a user or password" -}}
{{- end -}}
{{- $refresh := include "pingone-flow-exporter.milliseconds" (.Values.statusPage.interval | default "2m") | int64 -}}
{{- if and .Values.statusPage.url (or (lt $refresh 60000) (gt $refresh 86400000)) -}}
{{- $errors = append $errors "statusPage.interval: must be between 1m and 1d" -}}
{{- end -}}
{{- if gt (include "pingone-flow-exporter.milliseconds" .Values.shutdownGrace | int64) 600000 -}}
{{- $errors = append $errors "shutdownGrace: must be between 0s and 10m" -}}
{{- end -}}
{{- if and .Values.statusPage.components (not .Values.statusPage.url) -}}
{{- $errors = append $errors "statusPage.components: requires statusPage.url" -}}
{{- end -}}
{{- if contains "@" .Values.egressCheckUrl -}}
{{- $errors = append $errors "egressCheckUrl: must not contain a user or password" -}}
{{- end -}}
{{- if and (gt (int .Values.shards) 1) (ne (int .Values.replicaCount) 1) -}}
{{- $errors = append $errors "replicaCount: must be 1 if shards is greater than 1; each shard is one pod" -}}
{{- end -}}
{{- if gt (int .Values.replicaCount) 1 -}}
{{- $signsOn := "" -}}
{{- range $name, $text := .Values.secretVariables }}{{ if or (regexMatch "__(USERNAME|PASSWORD)$" (upper $name)) (and (eq (upper $name) "FLOW_EXPORTER_TARGETS") (contains "\"password\"" (lower $text))) }}{{ $signsOn = "secretVariables" }}{{ end }}{{ end -}}
{{- range .Values.extraEnv }}{{ if regexMatch "__(USERNAME|PASSWORD)$" (upper .name) }}{{ $signsOn = "extraEnv" }}{{ end }}{{ end -}}
{{- if .Values.existingSecret -}}
{{- range $fields := $targets }}{{ if has "federation" (include "pingone-flow-exporter.journeys" (list $fields $.Values.defaults) | fromJsonArray) }}{{ $signsOn = "existingSecret" }}{{ end }}{{ end -}}
{{- end -}}
{{- with $signsOn -}}
{{- $errors = append $errors (printf "replicaCount: must be 1 if targets sign on (%s may hold their USERNAME and PASSWORD); several pods would sign one test account on at the same time, and might lock it out" .) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if and .value (regexMatch "__(PASSWORD|DESTINATION_CLIENT_SECRET)$" (upper .name)) -}}
{{- $errors = append $errors (printf "extraEnv: %s must not have a value, which would be readable in the pod; put it into a Secret and set existingSecret" .name) -}}
{{- end -}}
{{- end -}}
{{- $ports := printf ":%v\\s*(,|$)" .Values.port -}}
{{- $reserved := dict "FLOW_EXPORTER_SHUTDOWN_GRACE" "shutdownGrace" -}}
{{- if gt (int .Values.shards) 1 }}{{ $reserved = mergeOverwrite $reserved (dict "FLOW_EXPORTER_SHARD__INDEX" "shards" "FLOW_EXPORTER_SHARD__COUNT" "shards") }}{{ end -}}
{{- range .Values.extraEnv -}}
{{- $name := upper .name -}}
{{- with get $reserved $name }}{{ $errors = append $errors (printf "extraEnv: %s must not be set; set %s, which the rest of the pod depends on" $name .) }}{{ end -}}
{{- if and (eq (upper .name) "FLOW_EXPORTER_WEB__LISTEN_ADDRESS") .value (not (regexMatch $ports .value)) -}}
{{- $errors = append $errors "extraEnv: FLOW_EXPORTER_WEB__LISTEN_ADDRESS has another port than the Service and the health checks use; set port" -}}
{{- end -}}
{{- end -}}
{{- /* The flag may be repeated: one of the addresses must have the port. */ -}}
{{- $addresses := list -}}
{{- range .Values.extraArgs }}{{ if hasPrefix "--web.listen-address=" . }}{{ $addresses = append $addresses . }}{{ end }}{{ end -}}
{{- if and $addresses (not (regexMatch $ports (join "," $addresses))) -}}
{{- $errors = append $errors "extraArgs: --web.listen-address has another port than the Service and the health checks use; set port" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- $errors = append $errors "podMonitor.enabled: mutually exclusive with serviceMonitor.enabled, or every pod is scraped twice" -}}
{{- end -}}
{{- $web := .Values.web -}}
{{- if and $web.config $web.existingSecret -}}
{{- $errors = append $errors "web.config: mutually exclusive with web.existingSecret" -}}
{{- end -}}
{{- if and $web.certificateSecret (not (or $web.config $web.existingSecret)) -}}
{{- $errors = append $errors "web.certificateSecret: not used by any web configuration file; set web.config.tls_server_config, e.g. to {cert_file: tls.crt, key_file: tls.key}" -}}
{{- end -}}
{{- if and $web.tls (not (or $web.config $web.existingSecret)) -}}
{{- $errors = append $errors "web.tls: requires web.existingSecret; set web.config or web.existingSecret" -}}
{{- end -}}
{{- if and (regexMatch "^Require" (dig "tls_server_config" "client_auth_type" "" $web.config)) (not $web.healthPort) -}}
{{- $errors = append $errors "web.healthPort: required; kubelets do not have the client certificate that web.config.tls_server_config.client_auth_type requires" -}}
{{- end -}}
{{- if and $web.healthPort (eq (int $web.healthPort) (int .Values.port)) -}}
{{- $errors = append $errors "web.healthPort: must differ from port" -}}
{{- end -}}
{{- range $user, $hash := $web.config.basic_auth_users -}}
{{- if not (regexMatch "^[$]2[aby][$][0-9]{2}[$][./A-Za-z0-9]{53}$" $hash) -}}
{{- $errors = append $errors (printf "web.config.basic_auth_users.%s: not a bcrypt hash; use what htpasswd -nBC 10 prints after the colon" $user) -}}
{{- end -}}
{{- end -}}
{{- range $monitor := list "serviceMonitor" "podMonitor" -}}
{{- with get $.Values $monitor -}}
{{- if and .enabled .interval .scrapeTimeout (gt (include "pingone-flow-exporter.milliseconds" .scrapeTimeout | int64) (include "pingone-flow-exporter.milliseconds" .interval | int64)) -}}
{{- $errors = append $errors (printf "%s.scrapeTimeout: must not exceed %s.interval" $monitor $monitor) -}}
{{- end -}}
{{- if and .enabled (not (or .basicAuth .authorization)) $web.config.basic_auth_users -}}
{{- $errors = append $errors (printf "%s.basicAuth: required; Prometheus needs one of web.config.basic_auth_users, from a Secret" $monitor) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- $errors = append $errors "httpRoute.parentRefs: required; name the Gateway" -}}
{{- end -}}
{{- if $errors -}}
{{- fail (printf "\n%s" (join "\n" $errors)) -}}
{{- end -}}
{{- end -}}
