import express from 'express'

const app = express()
app.get('/', (_request, response) => response.json({ boards: [] }))
app.listen(Number(process.env.PORT ?? 0))
