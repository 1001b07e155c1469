import './mantine.css'
import './console.css'
import { createTheme, MantineProvider } from '@mantine/core'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { BrowserRouter } from 'react-router'
import { Console } from './console.tsx'

const theme = createTheme({ primaryColor: 'cyan', primaryShade: 9, cursorType: 'pointer', respectReducedMotion: true })

// The CSS variables come from a file, not from a <style> element: the content security policy allows no inline styles.
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false} deduplicateInlineStyles={false}>
      <BrowserRouter>
        <Console />
      </BrowserRouter>
    </MantineProvider>
  </StrictMode>,
)
