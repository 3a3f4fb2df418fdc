/** What `mvctl init` writes: valid in the strictest profile, and as short as a maintenance with a way back can be. */
export const STARTER = `# yaml-language-server: $schema=https://mvctl.dev/schemas/v1/playbook.schema.json
#
# A maintenance of one server: what is done, how it is checked, and how it is taken back.
#   mvctl validate FILE          looks for mistakes (mvctl explain CODE says more about one)
#   mvctl apply FILE --dry-run   runs it on a model of the node
#   mvctl apply FILE             runs it
apiVersion: mvctl/v1
kind: Playbook
name: my-maintenance
description: Puts a new page in place, with a way back until it is known to be served.

# Values a run can be given: --var greeting=hello
vars:
  greeting:
    type: string
    default: Hello from the new page
    description: What the page says.

# The service that must go on answering, and how often it is asked.
service:
  port: 80
  path: /
  interval: 10ms
  deadline: 1s

# No client may notice: beyond this the run goes back.
budget:
  downtime: 100ms
  action: rollback

phases:
  - id: baseline
    title: See that all is well before anything is changed
    steps:
      - id: before
        uses: service.check

  - id: change
    title: Change it
    timeout: 5m
    steps:
      # Values reach a script through env, never inside its text. Up to the commit every change says how it is taken back.
      - id: writePage
        uses: guest.run
        with:
          guest: old
          script: |
            cp /var/www/site/index.html /var/www/site/index.html.before
            printf '<p>%s</p>\\\\n' "$GREETING" >> /var/www/site/index.html
          env: { GREETING: '\${{ vars.greeting }}' }
        timeout: 30s
        undo:
          uses: guest.run
          with:
            guest: old
            script: mv /var/www/site/index.html.before /var/www/site/index.html

  - id: verify
    title: See what a client sees
    steps:
      - id: served
        uses: probe
        with: { times: 20, every: 50ms, expectContains: '\${{ vars.greeting }}' }
        timeout: 1m

  - id: commit
    title: From here on only forward
    steps:
      - id: commit
        uses: commit
        with: { guest: old }
`;
